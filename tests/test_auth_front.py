"""The front of sign-in: several methods in one authenticator, as JupyterHub calls it."""

import asyncio
import json
import logging
from types import SimpleNamespace

import pytest
from jupyterhub import orm, roles
from jupyterhub.user import User
from tornado import web
from traitlets.config import Config

from jupyterhub_tf29.audit.trail import open_trail
from jupyterhub_tf29.auth.configure import configure_sign_in
from jupyterhub_tf29.auth.groups import Place
from jupyterhub_tf29.auth.sweep import Sweep
from jupyterhub_tf29.settings import Paths, Settings
from tests.cheap import CHEAP
from tests.directory.answers import silent_server
from tests.directory.slapd import Slapd
from tests.directory.university import GROUPS, PASSWORDS, PEOPLE, SEARCH_DN, SEARCH_PASSWORD, dn_of

GOOD = "walnut-harbour-seven"


class WithServer(User):
    """A user of the hub whose server runs."""

    active = True


class Request:
    """As much of a handler as the front sees."""

    def __init__(self, db, address="192.0.2.1", language="en"):
        self.request = SimpleNamespace(remote_ip=address, headers={"Accept-Language": language})
        self.db = db

    def find_user(self, name):
        return orm.User.find(self.db, name)


@pytest.fixture
def db():
    session = orm.new_session_factory("sqlite:///:memory:")()
    for role in roles.get_default_roles():
        roles.create_role(session, role)
    yield session
    session.close()


@pytest.fixture(scope="module")
def slapd(tmp_path_factory):
    with Slapd(tmp_path_factory.mktemp("ldap") / "university") as running:
        yield running


@pytest.fixture
def make(slapd, tmp_path):
    """`make({…}, …)`: the front of the methods whose blocks these are; a directory's server and base are added."""
    (tmp_path / "secrets").mkdir()
    usual = {
        "servers": [slapd.ldap],
        "ca_file": str(slapd.authority.path),
        "users": {"base": PEOPLE},
        "groups": {"base": GROUPS},
        "search_dn": SEARCH_DN,
        "timeout": 2,
        "refresh": 1,
    }

    fronts = []

    def made(*blocks, rosters=None, extra=None, **sign_in):
        methods = [{**usual, **block} if block["type"] == "ldap" else block for block in blocks]
        settings = Settings(sign_in={"methods": methods, **sign_in})
        for method in settings.sign_in.methods:
            secret = tmp_path / "secrets" / f"{method.name}-bind-password"
            secret.write_text(SEARCH_PASSWORD)
            secret.chmod(0o600)
        config = Config(extra or {})
        more = {"rosters": rosters} if rosters else {}
        configure_sign_in(config, settings, Paths(config=tmp_path, state=tmp_path, logs=tmp_path), **more)
        front = config.JupyterHub.authenticator_class(config=config)
        fronts.append(front)
        for one in (front, *front.methods):
            one.log = logging.getLogger("test")
            if hasattr(one, "store"):
                one.store._hasher = CHEAP
        return front

    yield made
    for front in fronts:
        front.throttle.close()


@pytest.fixture
def trail(tmp_path):
    """`trail()`: the events so far."""
    opened = open_trail(tmp_path / "audit.jsonl", "test")

    def events():
        opened.writer.flush(10)
        path = tmp_path / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    return events


async def come_in(front, db, method, name, password):
    """Sign in as JupyterHub does: the model, and the user with what it says."""
    way = next(one for one in front.methods if one.name == method)
    model = await way.get_authenticated_user(Request(db), {"username": name, "password": password})
    if model is None:
        return None
    user = orm.User.find(db, model["name"])
    if user is None:
        user = orm.User(name=model["name"])
        db.add(user)
    put_groups(db, user, model["groups"])
    if model["admin"] is not None:
        user.admin = model["admin"]
    db.commit()
    return model


def as_the_hub_has_them(db, name):
    user = orm.User.find(db, name)
    return SimpleNamespace(name=name, admin=user.admin, groups=user.groups, orm_user=user)


def put_groups(db, user, names):
    groups = []
    for name in names:
        group = orm.Group.find(db, name)
        if group is None:
            group = orm.Group(name=name)
            db.add(group)
        groups.append(group)
    user.groups = groups


UNIVERSITY = {"type": "ldap", "name": "university", "allowed_groups": ["gpu-users"]}


class TestComingIn:
    async def test_the_first_methods_names_are_bare_and_the_others_have_a_prefix(self, make, db):
        front = make(UNIVERSITY, {"type": "local"})
        front.local.store.add("wang", GOOD, by="test")
        assert (await come_in(front, db, "university", "wang", PASSWORDS["wang"]))["name"] == "wang"
        assert (await come_in(front, db, "local", "wang", GOOD))["name"] == "local:wang"
        assert await come_in(front, db, "local", "wang", PASSWORDS["wang"]) is None

    async def test_methods_put_in_another_order_give_nobody_anothers_files(self, make, db):
        before = make({"type": "local"})
        before.local.store.add("wang", GOOD, by="test")
        await come_in(before, db, "local", "wang", GOOD)
        after = make(UNIVERSITY, {"type": "local"})
        with pytest.raises(web.HTTPError, match="The name wang belongs to somebody else here"):
            await come_in(after, db, "university", "wang", PASSWORDS["wang"])
        assert (await come_in(after, db, "local", "wang", GOOD))["name"] == "wang", (
            "who was here stays who they were"
        )
        after.identities.give("wang", "university")
        assert (await come_in(after, db, "university", "wang", PASSWORDS["wang"]))["name"] == "wang"

    async def test_a_group_may_be_named_by_its_dn(self, make, db):
        dn = f"CN=gpu-users, {GROUPS.upper()}"
        assert await come_in(
            make({**UNIVERSITY, "allowed_groups": [dn]}), db, "university", "ada", PASSWORDS["ada"]
        )
        elsewhere = f"cn=gpu-users,ou=clubs,{GROUPS.partition(',')[2]}"
        front = make({**UNIVERSITY, "allowed_groups": [elsewhere]})
        with pytest.raises(web.HTTPError, match="You may not use this hub"):
            await come_in(front, db, "university", "ada", PASSWORDS["ada"])

    async def test_lists_of_names_and_of_admins(self, make, db):
        front = make({"type": "ldap", "allowed_users": ["Ada"], "admins": ["boss"], "groups": None})
        assert (await come_in(front, db, "ldap", "ada", PASSWORDS["ada"]))["admin"] is None
        assert (await come_in(front, db, "ldap", "boss", PASSWORDS["boss"]))["admin"] is True
        with pytest.raises(web.HTTPError):
            await come_in(front, db, "ldap", "wang", PASSWORDS["wang"])

    async def test_jupyterhubs_own_lists_speak_of_users_of_the_hub(self, make, db):
        seen = []

        def hook(authenticator, handler, model):
            seen.append((type(authenticator).__name__, model["name"]))
            return model

        extra = {
            "Authenticator": {"admin_users": {"wang"}, "blocked_users": {"second:ada"}, "post_auth_hook": hook}
        }
        front = make(UNIVERSITY, {**UNIVERSITY, "name": "second"}, extra=extra)
        assert (await come_in(front, db, "university", "wang", PASSWORDS["wang"]))["admin"] is True
        assert (await come_in(front, db, "second", "wang", PASSWORDS["wang"]))["admin"] is None
        with pytest.raises(web.HTTPError, match="You may not use this hub"):
            await come_in(front, db, "second", "ada", PASSWORDS["ada"])
        assert seen == [("SignIn", "wang"), ("SignIn", "second:wang")]

    async def test_a_name_that_no_user_can_have_is_told_to_its_owner(self, make, db, slapd):
        slapd.modify(
            f"dn: cn=odd,{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: odd\nsn: x\n"
            "uid: a/b\nuserPassword: odd-password\n"
        )
        front = make({**UNIVERSITY, "allow_all": True})
        with pytest.raises(web.HTTPError, match="Your name has characters in it"):
            await come_in(front, db, "university", "a/b", "odd-password")

    async def test_what_the_trail_is_told(self, make, db, trail):
        front = make({**UNIVERSITY, "admin_groups": ["admins"]})
        await come_in(front, db, "university", "boss", PASSWORDS["boss"])
        assert await come_in(front, db, "university", "boss", "x") is None
        with pytest.raises(web.HTTPError):
            await come_in(front, db, "university", "outsider", PASSWORDS["outsider"])
        assert await come_in(front, db, "university", "locked", PASSWORDS["locked"]) is None
        signs = [event for event in trail() if event["event"] == "sign-in"]
        assert [(event["outcome"], event.get("reason")) for event in signs] == [
            ("success", None),
            ("failure", "wrong"),
            ("failure", "not-allowed"),
            ("failure", "locked"),
        ]
        assert {event["method"] for event in signs} == {"university"}

    async def test_a_method_that_breaks_lets_nobody_in_and_says_so(self, make, db, caplog, trail):
        front = make(UNIVERSITY)
        front.rosters = None  # whatever goes wrong in the middle
        with pytest.raises(web.HTTPError, match="Sign-in does not work at the moment") as broken:
            await come_in(front, db, "university", "ada", PASSWORDS["ada"])
        assert broken.value.status_code == 503
        assert "Sign-in by university from 192.0.2.1 failed" in caplog.text
        assert trail()[-1]["reason"] == "error"
        assert PASSWORDS["ada"] not in caplog.text


class TestStayingIn:
    @pytest.fixture(autouse=True)
    def no_waiting(self, monkeypatch):
        """Methods are asked each time, not once in `refresh`."""
        monkeypatch.setattr("jupyterhub_tf29.auth.front.SignIn._asked_lately", lambda *_: False)

    async def test_each_is_the_business_of_the_method_they_came_by(self, make, db, slapd):
        front = make(UNIVERSITY, {"type": "local"})
        front.local.store.add("li", GOOD, by="test")
        await come_in(front, db, "university", "wang", PASSWORDS["wang"])
        await come_in(front, db, "local", "li", GOOD)
        wang, li = as_the_hub_has_them(db, "wang"), as_the_hub_has_them(db, "local:li")
        for user in (wang, li):
            assert await front.refresh_user(user, Request(db)) is True
        front.local.store.disable("li")
        slapd.remove_member("cs-students", dn_of("wang"))
        try:
            for user in (wang, li):
                assert await front.refresh_user(user, Request(db)) is False
                assert await front.refresh_user(user, None) is False
        finally:
            slapd.add_member("cs-students", dn_of("wang"))
        assert await front.refresh_user(wang, Request(db)) is True

    async def test_new_groups_and_rosters_come_without_a_sign_in(self, make, db, slapd):
        courses = {}
        front = make(
            {**UNIVERSITY, "admin_groups": ["admins"]}, rosters=lambda user, groups: courses.get(user, [])
        )
        await come_in(front, db, "university", "prof", PASSWORDS["prof"])
        prof = orm.User.find(db, "prof")
        courses["prof"] = [Place("tf101", instructor=True)]
        slapd.add_member("admins", dn_of("prof"))
        try:
            changes = await front.refresh_user(prof, Request(db))
        finally:
            slapd.remove_member("admins", dn_of("prof"))
        assert changes["admin"] is True
        assert {"instructors:tf101", "university:admins"} <= set(changes["groups"])
        assert orm.Role.find(db, "instructor-tf101").groups[0].name == "instructors:tf101"
        put_groups(db, prof, changes["groups"])
        prof.admin = True
        db.commit()
        changes = await front.refresh_user(prof, Request(db))
        assert (changes["admin"], "university:admins" in changes["groups"]) == (False, False)

    async def test_who_has_a_server_and_asks_for_nothing_loses_rights_too(self, make, db, slapd):
        front = make({**UNIVERSITY, "admin_groups": ["admins"]})
        slapd.add_member("admins", dn_of("prof"))
        try:
            await come_in(front, db, "university", "prof", PASSWORDS["prof"])
        finally:
            slapd.remove_member("admins", dn_of("prof"))
        prof = WithServer(orm.User.find(db, "prof"), {}, db=db)
        assert prof.admin
        hub = SimpleNamespace(users={1: prof}, db=db, log=logging.getLogger("test"))
        await Sweep(hub, front, stop_servers=False)()
        assert not prof.admin
        assert "university:admins" not in {group.name for group in prof.groups}
        assert "university:gpu-users" in {group.name for group in prof.groups}

    async def test_the_directory_is_down(self, make, db, slapd, caplog):
        caplog.set_level(logging.DEBUG)
        front = make(UNIVERSITY)
        await come_in(front, db, "university", "wang", PASSWORDS["wang"])
        groups = {group.name for group in orm.User.find(db, "wang").groups}
        slapd.stop()
        try:
            assert await front.refresh_user(orm.User.find(db, "wang"), Request(db)) is True
            with pytest.raises(web.HTTPError, match="the directory does not answer at the moment") as down:
                await come_in(front, db, "university", "ada", PASSWORDS["ada"])
        finally:
            slapd.start()
        assert down.value.status_code == 503
        asked = caplog.text.count("university is asked")
        assert await front.refresh_user(orm.User.find(db, "wang"), Request(db)) is True
        assert caplog.text.count("university is asked") == asked > 0, "who is in does not wait for another try"
        await come_in(front, db, "university", "ada", PASSWORDS["ada"])
        assert await front.refresh_user(orm.User.find(db, "wang"), Request(db)) is True
        assert caplog.text.count("university is asked") == asked + 2, "it answers again"
        assert {group.name for group in orm.User.find(db, "wang").groups} == groups != set()
        assert "wang stays signed in" in caplog.text

    async def test_more_questions_than_will_be_answered_soon(self, make, db, monkeypatch):
        monkeypatch.setattr("jupyterhub_tf29.auth.ldap.authenticator.MAX_UNDER_WAY", 2)
        with silent_server() as port:
            front = make({**UNIVERSITY, "servers": [f"ldap://127.0.0.1:{port}"], "timeout": 1})
            tries = [come_in(front, db, "university", f"user{number}", "x") for number in range(4)]
            said = await asyncio.gather(*tries, return_exceptions=True)
            assert sorted(error.cause for error in said) == ["busy", "busy", "directory-down", "directory-down"]
            with pytest.raises(web.HTTPError) as later:
                await come_in(front, db, "university", "user5", "x")
            assert later.value.cause == "directory-down", "places are free again"

    async def test_a_method_that_hub_yaml_has_no_more(self, make, db, caplog):
        await come_in(make(UNIVERSITY), db, "university", "wang", PASSWORDS["wang"])
        front = make({"type": "local"})
        assert await front.refresh_user(orm.User.find(db, "wang"), Request(db)) is False
        assert "wang may not stay signed in (came by university)" in caplog.text

    async def test_a_user_made_on_the_admin_page_has_tokens_only(self, make, db):
        front = make(UNIVERSITY)
        bot = orm.User(name="bot")
        by_token, by_browser = Request(db), Request(db)
        by_token._token_authenticated = True
        assert await front.refresh_user(bot, by_token) is True
        assert await front.refresh_user(bot, by_browser) is False


class TestBreakGlass:
    async def test_one_account_gets_in_as_an_admin_and_is_shouted_about(self, make, db, caplog):
        front = make(UNIVERSITY, break_glass="emergency")
        (glass,) = [method for method in front.methods if method.hidden]
        front.check_allow_config()
        assert "emergency is named, but has no account" in caplog.text
        for name in ("emergency", "somebody"):
            glass.store.add(name, GOOD, by="test")
        model = await come_in(front, db, "break-glass", "emergency", GOOD)
        assert (model["name"], model["admin"]) == ("break-glass:emergency", True)
        assert ("test", logging.CRITICAL, "BREAK GLASS: emergency signs in from 192.0.2.1, as an admin") in (
            caplog.record_tuples
        )
        assert await come_in(front, db, "break-glass", "somebody", GOOD) is None
        assert await come_in(front, db, "break-glass", "emergency", "x") is None
        assert front.local is None, "no pages of local accounts"


def test_a_missing_secret_is_told_at_start(make, tmp_path):
    front = make(UNIVERSITY)
    assert front.methods
    (tmp_path / "secrets" / "university-bind-password").chmod(0o644)
    with pytest.raises(ValueError, match="university-bind-password: others than its owner can use this secret"):
        type(front)(config=front.config)


def test_what_an_admin_should_know_at_start(make, caplog):
    blind = {"type": "ldap", "users": None, "bind_dn": f"uid={{username}},{PEOPLE}", "search_dn": ""}
    make({**UNIVERSITY, "allowed_groups": []}).check_allow_config()
    make({**blind, "allow_all": True, "tls": "none"}).check_allow_config()
    make({**UNIVERSITY, "verify_certificates": False}).check_allow_config()
    for said in (
        "NOBODY may come in by university",
        "ldap has no search_dn",
        "ldap sends passwords over the network unencrypted",
        "university checks no certificate",
    ):
        assert said in caplog.text
