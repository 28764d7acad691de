"""What is asked of a directory: a real slapd, over StartTLS and LDAPS, with people whose names are hard."""

import time

import pytest

from jupyterhub_tf29.auth.ldap.directory import Directory, Unusable, Wrong
from jupyterhub_tf29.auth.ldap.membership import MEMBER_OF_CHAIN, groups_of
from jupyterhub_tf29.auth.ldap.servers import DirectoryDown
from jupyterhub_tf29.auth.ldap_settings import LdapGroups, LdapMethod
from tests.directory.answers import silent_server
from tests.directory.certificates import make_authority
from tests.directory.injections import PAYLOADS
from tests.directory.slapd import Slapd
from tests.directory.university import BASE, GROUPS, PASSWORDS, PEOPLE, SEARCH_DN, SEARCH_PASSWORD, dn_of
from tests.ours import find_free_port

EVERY_STUDENT = {"cs-students", "students", "gpu-users"}


@pytest.fixture(scope="module")
def slapd(tmp_path_factory):
    with Slapd(tmp_path_factory.mktemp("ldap") / "university") as running:
        yield running


@pytest.fixture
def ask(slapd):
    """`ask(…)`: a Directory, asked over LDAPS; the arguments are those of a method in hub.yaml."""

    def made(**block):
        usual = {
            "servers": [slapd.ldaps],
            "ca_file": str(slapd.authority.path),
            "users": None if "bind_dn" in block else {"base": PEOPLE},
            "search_dn": SEARCH_DN,
            "groups": {"base": GROUPS},
            "timeout": 2,
        }
        return Directory(LdapMethod(type="ldap", **{**usual, **block}), SEARCH_PASSWORD)

    return made


def names(person):
    return {group.name for group in person.groups}


class TestWhoSomebodyIs:
    @pytest.mark.parametrize(
        ("uid", "groups"),
        [
            ("wang", EVERY_STUDENT | {"readers", "lab"}),
            ("李雷", EVERY_STUDENT | {'研究生 (2024), "AI"'}),
            ("joerg", EVERY_STUDENT | {"lab"}),
            ("li, wei (phys)", EVERY_STUDENT),
            ("o'brien", EVERY_STUDENT),
            ("boss", {"staff", "admins", "gpu-users"}),
            ("outsider", set()),
        ],
    )
    def test_name_groups_and_groups_of_groups(self, ask, slapd, uid, groups):
        for server in (slapd.ldaps, slapd.ldap):
            person = ask(servers=[server]).sign_in(uid, PASSWORDS[uid])
            assert (person.name, person.locked, names(person)) == (uid, False, groups)

    def test_what_is_typed_finds_a_person_and_the_directory_names_them(self, ask):
        assert ask().sign_in("WANG", PASSWORDS["wang"]).name == "wang"
        by_mail = ask(users={"base": PEOPLE, "filter": "(|(uid={username})(mail={username}))"})
        assert by_mail.sign_in("boss@example.edu", PASSWORDS["boss"]).name == "boss"

    @pytest.mark.parametrize("uid", ["ada", "李雷", "o'brien", "li, wei (phys)"])
    def test_bind_without_search(self, ask, uid):
        templates = [f"cn={{username}},{PEOPLE}", f"uid={{username}},{PEOPLE}"]
        for search_dn in ("", SEARCH_DN):
            person = ask(bind_dn=templates, search_dn=search_dn).sign_in(uid, PASSWORDS[uid])
            assert person.name == uid
            assert names(person) >= EVERY_STUDENT

    @pytest.mark.parametrize(
        ("uid", "password"),
        [
            ("ada", "wrong"),
            ("nobody", PASSWORDS["ada"]),
            ("ada", ""),
            ("ada", " "),
            ("ada", "\x01\u202e"),
            ("", "x"),
        ],
    )
    def test_what_does_not_fit_is_wrong(self, ask, uid, password):
        assert ask().sign_in(uid, password) == Wrong()
        assert ask(bind_dn=f"uid={{username}},{PEOPLE}").sign_in(uid, password) == Wrong()

    def test_a_locked_account_is_out_whatever_the_password(self, ask):
        for password in (PASSWORDS["locked"], "wrong"):
            assert ask().sign_in("locked", password) == Wrong(locked=True)

    def test_a_lock_that_the_server_does_not_mind_counts_here(self, ask):
        assert ask(locked_filter="(uid=ada)").sign_in("ada", PASSWORDS["ada"]).locked

    def test_two_entries_of_one_name_are_nobody(self, ask, caplog):
        assert ask().sign_in("twin", PASSWORDS["twin"]) == Wrong()
        assert "make users.filter tell them apart" in caplog.text

    def test_an_entry_of_two_names_is_said_to_the_admin(self, ask):
        with pytest.raises(Unusable, match="expected one value of uid, found 2"):
            ask().sign_in("two", PASSWORDS["two names"])


class TestInjection:
    def test_there_are_enough(self):
        assert len(set(PAYLOADS)) >= 50

    @pytest.mark.parametrize("how", ["search", "bind"])
    def test_whatever_is_typed_is_a_name_and_nothing_else(self, ask, slapd, how):
        unencrypted = {"servers": [slapd.ldap], "tls": "none"}  # hundreds of connections: no handshakes
        by_dn = {"bind_dn": f"uid={{username}},{PEOPLE}"} if how == "bind" else {}
        directory = ask(**unencrypted, **by_dn)
        for payload in PAYLOADS:
            if "\ud800" in payload:
                continue  # cannot be sent at all; the authenticator refuses it
            for password in (PASSWORDS["ada"], "*"):
                assert directory.sign_in(payload, password) == Wrong(), payload

    def test_names_from_the_directory_are_values_in_the_search_for_groups(self, ask, slapd):
        uid = "*)(member=*"
        slapd.modify(
            f"dn: cn=mallory,{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: mallory\nsn: x\n"
            f"uid: {uid}\nuserPassword: mallory\n"
        )
        person = ask().sign_in(uid, "mallory")
        assert (person.name, person.groups) == (uid, [])


class TestGroupsOfGroups:
    def test_levels_are_followed_to_the_bound_and_the_log_says_so(self, ask, caplog):
        found = names(ask(groups={"base": GROUPS, "max_depth": 4}).sign_in("ada", PASSWORDS["ada"]))
        assert {"level-3"} == {name for name in found if name in {"level-3", "level-4"}}
        assert "groups within groups beyond level 4 are left out" in caplog.text
        assert "level-14" in names(ask(groups={"base": GROUPS, "max_depth": 50}).sign_in("ada", PASSWORDS["ada"]))

    def test_a_circle_ends(self, ask):
        found = [group.name for group in ask().sign_in("ada", PASSWORDS["ada"]).groups]
        assert (found.count("circle-a"), found.count("circle-b")) == (1, 1)

    def test_no_more_groups_than_the_bound(self, ask, caplog):
        assert len(ask(groups={"base": GROUPS, "max_groups": 3}).sign_in("ada", PASSWORDS["ada"]).groups) == 3
        assert "in more than 3 groups" in caplog.text

    def test_not_followed_where_nobody_wants_it(self, ask):
        found = names(ask(groups={"base": GROUPS, "nested": "no"}).sign_in("wang", PASSWORDS["wang"]))
        assert found == {"cs-students", "readers", "lab"}

    def test_active_directory_is_asked_once_by_its_own_rule(self):
        asked = []

        class Reader:
            def search(self, base, condition, *_, **__):
                asked.append((base, condition))
                return [("cn=a,dc=x", {"cn": [b"a"]})]

        settings = LdapGroups(base="dc=x", nested="active-directory")
        found = groups_of(Reader(), settings, r"cn=Li\, W (x)", "li")
        assert [group.name for group in found] == ["a"]
        rule = MEMBER_OF_CHAIN.format(dn=r"cn=Li\5c, W \28x\29")
        assert asked == [("dc=x", f"(|{rule})")]


class TestLookingAgain:
    def test_by_what_stays(self, ask, slapd):
        subject = ask().sign_in("joerg", PASSWORDS["joerg"]).subject
        assert ask().look_up(subject, "an old name").dn == dn_of("joerg").replace(r"\,", r"\2C")
        assert ask(bind_dn=f"cn={{username}},{PEOPLE}").look_up(subject, "x").name == "joerg"
        assert ask().look_up("2c299146-0000-0000-0000-000000000000", "joerg") is None

    def test_by_dn_where_the_directory_has_nothing_that_stays(self, ask):
        directory = ask(id_attribute="employeeNumber")
        subject = directory.sign_in("ada", PASSWORDS["ada"]).subject
        assert subject == f"dn:{dn_of('ada')}"
        assert directory.look_up(subject, "ada").name == "ada"
        assert directory.look_up(f"dn:uid=gone,{PEOPLE}", "gone") is None

    def test_by_name_who_has_not_been_here(self, ask):
        assert ask().look_up("", "wang").name == "wang"
        assert ask(bind_dn=f"uid={{username}},{PEOPLE}").look_up("", "wang").name == "wang"
        assert ask().look_up("", "*") is None

    def test_the_locked_are_seen(self, ask):
        assert ask().look_up("", "locked").locked

    def test_without_rights_to_search_nobody_is_asked(self, ask):
        assert not ask(bind_dn=f"uid={{username}},{PEOPLE}", search_dn="").can_look_again
        assert ask().can_look_again


class TestServers:
    """Certificates are checked; a server that is of no use is passed over; and nothing takes for ever."""

    @pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
    def test_a_certificate_of_another_authority(self, ask, slapd, tmp_path, scheme):
        other = make_authority(tmp_path / "other.pem")
        with pytest.raises(DirectoryDown, match="certificate verify failed"):
            ask(servers=[getattr(slapd, scheme)], ca_file=str(other.path)).sign_in("ada", PASSWORDS["ada"])
        machine = ask(servers=[getattr(slapd, scheme)], ca_file="")
        with pytest.raises(DirectoryDown, match="certificate verify failed"):
            machine.sign_in("ada", PASSWORDS["ada"])
        unchecked = ask(servers=[getattr(slapd, scheme)], ca_file="", verify_certificates=False)
        assert unchecked.sign_in("ada", PASSWORDS["ada"]).name == "ada"

    @pytest.mark.parametrize(
        ("certificate", "says"),
        [({"hosts": ("ldap.example.edu",)}, "doesn't match|mismatch"), ({"days": -1}, "expired")],
        ids=["of another host", "expired"],
    )
    def test_a_certificate_that_is_not_this_servers_of_today(self, tmp_path, ask, certificate, says):
        with Slapd(tmp_path / "other", **certificate) as other:
            for server in (other.ldap, other.ldaps):
                with pytest.raises(DirectoryDown, match=says):
                    ask(servers=[server], ca_file=str(other.authority.path)).sign_in("ada", PASSWORDS["ada"])

    @pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
    def test_a_server_may_be_named(self, ask, slapd, scheme):
        server = getattr(slapd, scheme).replace("127.0.0.1", "localhost")
        assert ask(servers=[server]).sign_in("ada", PASSWORDS["ada"]).name == "ada"

    def test_unencrypted_only_where_it_is_asked_for(self, ask, slapd):
        assert ask(servers=[slapd.ldap], tls="none", ca_file="").sign_in("ada", PASSWORDS["ada"]).name == "ada"

    def test_the_next_server_is_asked_where_one_is_of_no_use(self, ask, slapd):
        with silent_server() as silent:
            dead, mute = f"ldap://127.0.0.1:{find_free_port()}", f"ldaps://127.0.0.1:{silent}"
            directory = ask(servers=[dead, mute, slapd.ldaps], timeout=1)
            assert directory.sign_in("ada", PASSWORDS["ada"]).name == "ada"
            started = time.monotonic()
            assert directory.sign_in("wang", PASSWORDS["wang"]).name == "wang"
            assert time.monotonic() - started < 1, "those that failed are asked last for a while"

    def test_a_wrong_password_is_not_tried_at_every_server(self, ask, slapd):
        dead = f"ldap://127.0.0.1:{find_free_port()}"
        assert ask(servers=[slapd.ldaps, dead]).sign_in("ada", "wrong") == Wrong()

    @pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
    def test_a_server_that_never_answers_is_given_up(self, ask, scheme):
        with silent_server() as port:
            started = time.monotonic()
            with pytest.raises(DirectoryDown):
                ask(servers=[f"{scheme}://127.0.0.1:{port}"], timeout=1).sign_in("ada", PASSWORDS["ada"])
            assert time.monotonic() - started < 10, "a time-out held; how long exactly is the machine's business"

    def test_every_server_that_failed_is_named_with_its_reason(self, ask):
        dead = [f"ldap://127.0.0.1:{find_free_port()}", f"ldaps://127.0.0.1:{find_free_port()}"]
        with pytest.raises(DirectoryDown) as down:
            ask(servers=dead).sign_in("ada", PASSWORDS["ada"])
        assert all(server in str(down.value) for server in dead)
        assert PASSWORDS["ada"] not in str(down.value)

    def test_the_searchers_password_is_wrong(self, slapd):
        settings = LdapMethod(
            type="ldap",
            servers=[slapd.ldaps],
            ca_file=str(slapd.authority.path),
            users={"base": PEOPLE},
            search_dn=SEARCH_DN,
        )
        with pytest.raises(DirectoryDown, match=f"password of search_dn '{SEARCH_DN}' is refused"):
            Directory(settings, "not it").sign_in("ada", PASSWORDS["ada"])

    def test_a_base_that_is_not_there_finds_nobody(self, ask):
        assert ask(users={"base": f"ou=nowhere,{BASE}"}).sign_in("ada", PASSWORDS["ada"]) == Wrong()
