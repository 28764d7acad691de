"""What `tf29hub doctor` says about ways in by OAuth."""

import pytest

from jupyterhub_tf29.auth.oauth.findings import findings
from jupyterhub_tf29.auth.settings import SignIn
from jupyterhub_tf29.settings import Paths
from tests.openid.provider import Provider


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def look(tmp_path):
    """`look({…})`: what is found about these methods."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "oidc-client-secret").write_text("a secret")
    (tmp_path / "secrets" / "oidc-client-secret").chmod(0o600)

    def found(*methods):
        sign_in = SignIn(methods=list(methods))
        return list(findings(sign_in.methods, Paths(config=tmp_path, state=tmp_path, logs=tmp_path)))

    return found


def oidc(provider, **changes):
    return {"type": "oidc", "issuer": provider.issuer, "client_id": "x", "timeout": 2, **changes}


def test_all_is_well(look, provider):
    (finding,) = look({"type": "local"}, oidc(provider))
    assert finding.level == "ok"
    assert "1 keys" in finding.text
    assert "/hub/login/oidc/oauth_callback" in finding.text


def test_the_secret_is_missing(look, provider):
    missing, well = look(oidc(provider, name="university"))
    assert missing.level == "failed"
    assert "university-client-secret: this secret is missing" in missing.text
    assert well.level == "ok"


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (lambda provider: vars(provider).update(down=True), "503"),
        (lambda provider: vars(provider).update(issuer="https://other.example"), "https://other.example"),
        (lambda provider: vars(provider).update(published=[]), "no key for signatures"),
        (lambda provider: vars(provider).update(published=[{"kty": "oct", "k": "eA"}]), "no key for signatures"),
        (lambda provider: provider.pages.pop("/jwks"), "404"),
    ],
    ids=["down", "another issuer", "no keys", "a shared secret", "no key page"],
)
def test_the_provider_is_not_as_it_should_be(look, provider, trouble, why):
    method = oidc(provider)
    trouble(provider)
    (finding,) = look(method)
    assert finding.level == "failed"
    assert why in finding.text


def test_nobody_is_there(look, free_port):
    (finding,) = look({"type": "oidc", "issuer": f"http://127.0.0.1:{free_port()}", "client_id": "x"})
    assert finding.level == "failed"


def test_github_is_not_asked(look):
    (finding,) = look({"type": "github", "client_id": "x"})
    assert "github-client-secret: this secret is missing" in finding.text
