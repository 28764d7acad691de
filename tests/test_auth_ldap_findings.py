"""What the doctor finds about directories."""

import pytest

from jupyterhub_tf29.auth.ldap.findings import findings
from jupyterhub_tf29.auth.ldap_settings import LdapMethod
from jupyterhub_tf29.settings import Paths
from tests.directory.certificates import make_authority
from tests.directory.slapd import Slapd
from tests.directory.university import GROUPS, PEOPLE, SEARCH_DN, SEARCH_PASSWORD
from tests.ours import find_free_port


@pytest.fixture(scope="module")
def slapd(tmp_path_factory):
    with Slapd(tmp_path_factory.mktemp("ldap") / "university") as running:
        yield running


@pytest.fixture
def find(slapd, tmp_path):
    """`find(…)`: the findings about a directory whose block in hub.yaml has these lines besides."""
    (tmp_path / "secrets").mkdir()
    secret = tmp_path / "secrets" / "ldap-bind-password"
    secret.write_text(SEARCH_PASSWORD)
    secret.chmod(0o600)

    def found(**block):
        usual = {
            "servers": [slapd.ldaps],
            "ca_file": str(slapd.authority.path),
            "search_dn": SEARCH_DN,
            "users": None if "bind_dn" in block else {"base": PEOPLE},
            "groups": {"base": GROUPS},
            "allowed_groups": ["gpu-users"],
            "timeout": 2,
        }
        method = LdapMethod(type="ldap", **{**usual, **block})
        return [(one.level, str(one)) for one in findings([method], Paths(tmp_path, tmp_path, tmp_path))]

    return found


def test_all_is_well(find, slapd):
    said = find(servers=[slapd.ldaps, slapd.ldap], admin_groups=["admins", f"cn=staff,{GROUPS}"])
    assert [level for level, _ in said] == ["ok", "ok"]
    assert f"{slapd.ldaps} answers, its certificate is right" in said[0][1]


@pytest.mark.parametrize(
    ("block", "level", "says"),
    [
        ({"allowed_groups": ["gpu-user"]}, "warn", "the directory has no group 'gpu-user' below ou=groups"),
        ({"allowed_groups": [f"cn=nobody,{GROUPS}"]}, "warn", "the directory has no group 'cn=nobody"),
        ({"allowed_groups": ["a=b=c"]}, "warn", "the directory has no group 'a=b=c'"),
        ({"allowed_groups": []}, "warn", "sign-in by ldap: nobody may come in"),
        ({"verify_certificates": False}, "warn", "its certificate is not checked"),
        ({"search_dn": "cn=wrong,dc=example,dc=edu"}, "failed", "the password of search_dn"),
        ({"bind_dn": "uid={username}", "search_dn": ""}, "ok", "answers, its certificate is right"),
    ],
)
def test_what_is_amiss(find, block, level, says):
    assert any(found == level and says in text for found, text in find(**block))


def test_a_server_that_is_dead_and_one_that_is_somebody_else(find, slapd, tmp_path):
    dead = f"ldap://127.0.0.1:{find_free_port()}"
    said = find(servers=[dead, slapd.ldap])
    assert [level for level, _ in said] == ["failed", "ok"]
    assert "the others are asked instead" in said[0][1]
    (other,) = find(ca_file=str(make_authority(tmp_path / "other.pem").path))
    assert other[0] == "failed"
    assert "certificate verify failed" in other[1]
    assert "nobody can sign in by this method" in other[1]


def test_unencrypted_and_a_secret_that_is_missing(find, slapd, tmp_path):
    ((level, text),) = find(servers=[slapd.ldap], tls="none")
    assert (level, "passwords reach it unencrypted" in text) == ("warn", True)
    (tmp_path / "secrets" / "ldap-bind-password").unlink()
    ((level, text),) = find()
    assert (level, "ldap-bind-password: this secret is missing" in text) == ("failed", True)
