"""Each example in docs/sign-in.md, run: the LDAP ones against the university's directory."""

import logging
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from jupyterhub import orm
from tornado import web
from traitlets.config import Config

from jupyterhub_tf29.auth.configure import configure_sign_in
from jupyterhub_tf29.settings import Paths, Settings
from tests.cheap import CHEAP
from tests.directory.slapd import Slapd
from tests.directory.university import DOMAIN_PASSWORDS, PASSWORDS, SEARCH_PASSWORD

PAGE = (Path(__file__).parent.parent / "docs" / "sign-in.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"<!-- example: ([\w-]+) -->\n```yaml\n(.*?)```", PAGE, re.DOTALL))
GOOD = "walnut-harbour-seven"


@pytest.fixture(scope="module")
def slapd(tmp_path_factory):
    with Slapd(tmp_path_factory.mktemp("ldap") / "university") as running:
        yield running


@pytest.fixture
def front(slapd, tmp_path):
    """`front("search")`: the hub's sign-in as that example has it, with this slapd for its servers."""

    fronts = []

    def made(example):
        text = EXAMPLES[example]
        text = re.sub(r"ldaps://[\w.]+", slapd.ldaps, text)
        text = re.sub(r"ldap://[\w.]+", slapd.ldap, text)
        text = re.sub(r"(servers: .*\n)", rf"\1    ca_file: {slapd.authority.path}\n", text)
        text = re.sub(r"    ca_file: /etc/.*\n", "", text)
        text = text.replace("nested: active-directory", "nested: search")  # a rule that no slapd has
        settings = Settings.model_validate(yaml.safe_load(text))
        (tmp_path / "secrets").mkdir()
        for method in settings.sign_in.methods:
            secret = tmp_path / "secrets" / f"{method.name}-bind-password"
            secret.write_text(SEARCH_PASSWORD)
            secret.chmod(0o600)
        config = Config()
        configure_sign_in(config, settings, Paths(config=tmp_path, state=tmp_path, logs=tmp_path))
        authenticator = config.JupyterHub.authenticator_class(config=config)
        fronts.append(authenticator)
        for method in authenticator.methods:
            method.log = logging.getLogger("test")
            if hasattr(method, "store"):
                method.store._hasher = CHEAP
        return authenticator

    yield made
    for authenticator in fronts:
        authenticator.throttle.close()


async def come_in(front, method, name, password):
    """The model that the hub gets; None where it says no."""
    db = orm.new_session_factory("sqlite:///:memory:")()
    request = SimpleNamespace(remote_ip="192.0.2.1", headers={})
    handler = SimpleNamespace(request=request, db=db, find_user=lambda name: None)
    way = next(one for one in front.methods if one.name == method)
    try:
        return await way.get_authenticated_user(handler, {"username": name, "password": password})
    except web.HTTPError as error:
        if error.status_code != 403:
            raise
        return None
    finally:
        db.close()


def test_every_example_is_a_valid_hub_yaml():
    assert len(EXAMPLES) >= 6
    for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        Settings.model_validate(yaml.safe_load(text))
        assert len(text.splitlines()) <= 16, "ten lines or so"


async def test_local(front):
    hub = front("local")
    hub.local.store.add("ada", GOOD, by="test")
    assert (await come_in(hub, "local", "ada", GOOD))["name"] == "ada"


@pytest.mark.parametrize("example", ["search", "bind"])
async def test_a_directory(front, example):
    hub = front(example)
    ada = await come_in(hub, "ldap", "ada", PASSWORDS["ada"])
    assert (ada["name"], ada["admin"]) == ("ada", None if example == "bind" else False)
    assert "ldap:gpu-users" in ada["groups"]
    assert (await come_in(hub, "ldap", "boss", PASSWORDS["boss"]))["admin"] is True
    assert await come_in(hub, "ldap", "outsider", PASSWORDS["outsider"]) is None


async def test_active_directory(front):
    hub = front("active-directory")
    alice = await come_in(hub, "ldap", "ALICE", DOMAIN_PASSWORDS["alice"])
    assert (alice["name"], alice["groups"]) == ("alice", ["ldap:CS Students", "ldap:GPU Users"])
    assert hub.identities.subject_of("alice").startswith("hex:85"), "an objectGUID is no text"
    assert (await hub.methods[0].look_again(SimpleNamespace(name="alice"), None))["name"] == "alice"
    assert await come_in(hub, "ldap", "bob", DOMAIN_PASSWORDS["bob"]) is None, "disabled"


async def test_several(front):
    hub = front("several")
    hub.local.store.add("ada", GOOD, by="test")
    assert (await come_in(hub, "university", "ada", PASSWORDS["ada"]))["name"] == "ada"
    assert (await come_in(hub, "local", "ada", GOOD))["name"] == "local:ada"


async def test_break_glass(front):
    hub = front("break-glass")
    hub.methods[-1].store.add("emergency", GOOD, by="test")
    assert await come_in(hub, "ldap", "wang", PASSWORDS["wang"])
    assert await come_in(hub, "ldap", "boss", PASSWORDS["boss"]) is None
    assert (await come_in(hub, "break-glass", "emergency", GOOD))["admin"] is True
