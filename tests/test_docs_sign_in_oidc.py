"""Every block of docs/sign-in-oidc.md is a whole hub.yaml, from which a hub makes a way in."""

import json
import re
from pathlib import Path

import pytest
from traitlets.config import Config

from jupyterhub_tf29.auth.configure import configure_sign_in
from jupyterhub_tf29.settings import Paths, load_settings
from tests.openid.provider import Key

PAGE = Path(__file__).parent.parent / "docs" / "sign-in-oidc.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


def test_there_are_examples_of_each_kind():
    kinds = {re.search(r"type: (\w+)", block).group(1) for block in BLOCKS}
    assert kinds == {"oidc", "github", "gitlab", "google", "azuread"}


@pytest.mark.parametrize("block", BLOCKS, ids=[re.search(r"type: (\w+)", block).group(1) for block in BLOCKS])
def test_an_example(block, tmp_path):
    (tmp_path / "hub.yaml").write_text(block, encoding="utf-8")
    (tmp_path / "secrets").mkdir()
    settings = load_settings(tmp_path)
    (method,) = settings.sign_in.methods
    key = {"client_email": "x@example.edu", "private_key": Key("x").private_pem}
    for name, text in (("client-secret", "a secret"), ("service-account", json.dumps(key))):
        path = tmp_path / "secrets" / f"{method.name}-{name}"
        path.write_text(text)
        path.chmod(0o600)
    config = Config()
    configure_sign_in(config, settings, Paths(config=tmp_path, state=tmp_path, logs=tmp_path))
    front = config.JupyterHub.authenticator_class(config=config)
    (way,) = front.methods
    assert way.client_id == method.client_id
    assert way.client_secret == "a secret"
    assert way.method.lets_somebody_in
    assert {path for path, _ in way.get_handlers(None)} == {"/oauth_login", "/oauth_callback"}
