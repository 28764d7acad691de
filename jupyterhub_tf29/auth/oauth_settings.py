"""OAuth 2 and OpenID Connect in hub.yaml: `type: oidc`, `github`, `gitlab`, `google`, `azuread`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .method_settings import MethodSettings


class OAuthMethod(MethodSettings):
    """What all of them have. The client's secret is the secret `<name>-client-secret`, never in hub.yaml."""

    client_id: str
    scopes: list[str] = Field(default=[])
    allowed_domains: list[str] = Field(default=[])
    """Of e-mail addresses that the provider has verified."""


class OidcMethod(OAuthMethod):
    """Any OpenID Connect provider, found by its issuer."""

    type: Literal["oidc"]
    issuer: str
    username_claim: str = "preferred_username"
    groups_claim: str = "groups"


class GitHubMethod(OAuthMethod):
    """github.com or GitHub Enterprise."""

    type: Literal["github"]
    url: str = "https://github.com"


class GitLabMethod(OAuthMethod):
    """gitlab.com or a GitLab of one's own."""

    type: Literal["gitlab"]
    url: str = "https://gitlab.com"


class GoogleMethod(OAuthMethod):
    """Google accounts."""

    type: Literal["google"]


class AzureAdMethod(OAuthMethod):
    """Microsoft Entra ID (Azure AD)."""

    type: Literal["azuread"]
    tenant: str
