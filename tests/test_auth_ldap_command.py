"""`tf29hub directory` and `tf29hub identity`, as an admin calls them."""

import json

import pytest
import yaml

from jupyterhub_tf29.auth.identity import IdentityStore
from jupyterhub_tf29.cli import main
from tests.directory.slapd import Slapd
from tests.directory.university import SEARCH_PASSWORD, dn_of


@pytest.fixture(scope="module")
def slapd(tmp_path_factory):
    with Slapd(tmp_path_factory.mktemp("ldap") / "university") as running:
        yield running


@pytest.fixture
def call(tmp_path, monkeypatch, capsys, slapd):
    """`call("directory", "ada")`: the exit code, and all that was printed."""
    university = slapd.block()
    blind = {"type": "ldap", "name": "blind", "servers": [slapd.ldaps], "bind_dn": "uid={username}"}
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "university-bind-password").write_text(SEARCH_PASSWORD)
    (secrets / "university-bind-password").chmod(0o600)
    (tmp_path / "hub.yaml").write_text(yaml.safe_dump({"sign_in": {"methods": [university, blind]}}))
    monkeypatch.setenv("TF29HUB_CONFIG", str(tmp_path))
    monkeypatch.setenv("TF29HUB_STATE", str(tmp_path))

    def run(*words):
        code = main(list(words))
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_what_the_directory_says_of_somebody(call):
    code, said = call("directory", "李雷")
    assert code == 0
    for line in (f"entry    {dn_of('李雷')}", "group    university:gpu-users", "sign-in  yes"):
        assert line in said
    assert "admin" not in call("directory", "wang")[1]
    assert "admin    yes" in call("directory", "boss")[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["outsider"], "sign-in  no: on no allow list"),
        (["locked"], "sign-in  locked in the directory"),
        (["nobody"], "university has nobody whose uid is 'nobody'"),
        (["ada", "--method", "blind"], "blind cannot be asked without a person's password"),
        (["ada", "--method", "x"], "hub.yaml has no method of type ldap named 'x'"),
    ],
)
def test_who_could_not_sign_in_and_why(call, words, says):
    code, said = call("directory", *words)
    assert code == 1
    assert says in said


def test_a_directory_that_is_down(call, slapd):
    slapd.stop()
    try:
        code, said = call("directory", "ada")
    finally:
        slapd.start()
    assert code == 1
    assert f"university: {slapd.ldaps}: " in said


def test_names_are_listed_given_and_forgotten(call, tmp_path):
    store = IdentityStore(tmp_path / "accounts.sqlite")
    store.claim("wang", "local", "wang")
    assert "wang" in call("identity", "list")[1]
    assert "hub.yaml has no such method: they cannot sign in" in call("identity", "list")[1]
    assert call("identity", "give", "wang", "university")[0] == 0
    assert "has not come yet" in call("identity", "list")[1]
    assert store.claim("wang", "university", "uuid") == "wang"
    (row,) = json.loads(call("identity", "list", "--json")[1])
    assert (row["name"], row["method"], row["subject"]) == ("wang", "university", "uuid")
    assert call("identity", "give", "wang", "local") == (
        1,
        "tf29hub identity: hub.yaml has no method named 'local', only university, blind\n",
    )
    assert call("identity", "forget", "wang")[0] == 0
    assert call("identity", "forget", "wang") == (1, "tf29hub identity: nobody has the name wang\n")
    assert store.all() == []
    store.close()
