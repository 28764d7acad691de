"""OAuth in hub.yaml: what is written there by mistake is told, and nothing is open by mistake."""

import pytest
import yaml

from jupyterhub_tf29.settings import Settings
from jupyterhub_tf29.yamlfile import ConfigError, load

OIDC = {"type": "oidc", "issuer": "https://login.example.edu", "client_id": "tf29hub"}
GITHUB, GITLAB, GOOGLE = ({"type": kind, "client_id": "x"} for kind in ("github", "gitlab", "google"))
AZURE = {"type": "azuread", "client_id": "x", "tenant": "72F988BF-86f1-41af-91ab-2d7cd011db47"}


def read(tmp_path, **method):
    (tmp_path / "hub.yaml").write_text(yaml.safe_dump({"sign_in": {"methods": [method]}}))
    return load(tmp_path / "hub.yaml", Settings).sign_in.methods[0]


@pytest.mark.parametrize("method", [OIDC, GITHUB, GITLAB, GOOGLE, AZURE], ids=lambda method: method["type"])
def test_a_short_block_is_enough_and_lets_nobody_in(tmp_path, method):
    found = read(tmp_path, **method)
    assert found.name == method["type"]
    assert not found.lets_somebody_in
    assert found.refresh == 300


@pytest.mark.parametrize(
    ("method", "why"),
    [
        ({**OIDC, "issuer": "http://login.example.edu"}, "https"),
        ({**OIDC, "issuer": "login.example.edu"}, "https"),
        ({**OIDC, "issuer": "https://user:pw@login.example.edu"}, "nothing behind it"),
        ({**OIDC, "issuer": "https://login.example.edu/?x=1"}, "nothing behind it"),
        ({**OIDC, "issuer": "https:///x"}, "nothing behind it"),
        ({"type": "oidc", "client_id": "x"}, "issuer: this setting is needed"),
        ({**OIDC, "client_id": ""}, "client_id"),
        ({**OIDC, "client_secret": "x"}, "no such setting"),
        ({**OIDC, "callback_url": "http://hub.example.edu/x"}, "callback_url"),
        ({**OIDC, "allowed_domains": ["@example.edu"]}, "expected domains"),
        ({**OIDC, "allowed_domains": ["*.example.edu"]}, "expected domains"),
        ({**GITHUB, "allow_all": True}, "everybody who has an account at GitHub"),
        ({**GITLAB, "allow_all": True}, "everybody who has an account at GitLab"),
        ({**GOOGLE, "allow_all": True}, "everybody who has a Google account"),
        ({**GOOGLE, "allowed_groups": ["lab@example.edu"]}, "workspace_admin"),
        ({**AZURE, "tenant": "common"}, "one directory"),
        ({**AZURE, "tenant": "example.onmicrosoft.com"}, "one directory"),
        ({**AZURE, "groups_claim": "wids"}, "groups_claim"),
    ],
)
def test_a_mistake_is_told(tmp_path, method, why):
    with pytest.raises(ConfigError, match=why):
        read(tmp_path, **method)


def test_everybody_of_a_domain_or_of_ones_own_gitlab(tmp_path):
    assert read(tmp_path, **GOOGLE, allow_all=True, allowed_domains=["Example.EDU"]).allowed_domains == [
        "example.edu"
    ]
    assert read(tmp_path, **GITLAB, allow_all=True, url="https://git.example.edu").lets_somebody_in
    assert read(tmp_path, **GITHUB, allow_all=True, url="https://git.example.edu").lets_somebody_in


def test_names_of_github_and_google_are_in_lower_case(tmp_path):
    assert read(tmp_path, **GITHUB, allowed_groups=["My-Org:GPU"]).allowed_groups == ["my-org:gpu"]
    found = read(tmp_path, **GOOGLE, workspace_admin="it@example.edu", admin_groups=["IT@example.edu"])
    assert found.admin_groups == ["it@example.edu"]
    assert read(tmp_path, **AZURE).tenant == AZURE["tenant"].lower()
