"""OAuth 2 and OpenID Connect in hub.yaml: `type: oidc`, `github`, `gitlab`, `google`, `azuread`.

    sign_in:
      methods:
      - type: oidc
        label: University account
        issuer: https://login.example.edu
        client_id: tf29hub
        allowed_groups: [gpu-users]

The client's secret is the secret `<name>-client-secret` (here `oidc-client-secret`), never in hub.yaml. The
provider is told to send people back to `https://<this hub>/hub/login/<name>/oauth_callback`.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from ..units import Duration
from .method_settings import MethodSettings


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    local = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise ValueError("expected an address that begins with https:// (http:// for this machine alone)")
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("expected https://host or https://host/path, and nothing behind it")
    return url


def _lower(names: list[str]) -> list[str]:
    return [name.lower() for name in names]


Url = Annotated[str, AfterValidator(_check_url)]
"""Where secrets go: https, or this very machine."""
LowerCase = Annotated[list[str], AfterValidator(_lower)]
"""Names that are the same in upper and lower case."""


class OAuthMethod(MethodSettings):
    """What all of them have."""

    client_id: Annotated[str, Field(min_length=1)]
    """What the provider calls this hub, as it was registered there."""
    allowed_domains: list[str] = Field(default=[])
    """Of e-mail addresses that the provider has verified. A limit, not an allow list: who fits it must still be
    named by another list, or by `allow_all`."""
    scopes: list[str] = Field(default=[])
    """Asked for beside those that are needed, such as `offline_access`."""
    authorize_params: dict[str, str] = Field(default={})
    """Added to the address to which people are sent, such as `prompt: select_account`."""
    callback_url: Literal[""] | Url = ""
    """Default: this hub's address as the browser has it."""
    ca_file: str = ""
    """Whose certificates to trust, where the provider's is an in-house one; default: the machine's bundle."""
    timeout: Duration = 10
    """For each answer of the provider."""
    refresh: Duration = 300
    """How often the provider is asked again about those who are signed in: who left a group is out by then."""

    @field_validator("allowed_domains")
    @classmethod
    def _are_domains(cls, domains: list[str]) -> list[str]:
        for domain in domains:
            if not re.fullmatch(r"([a-z0-9-]+\.)+[a-z0-9-]+", domain.lower()):
                raise ValueError(f"expected domains such as example.edu, found {domain!r}")
        return [domain.lower() for domain in domains]

    def _not_for_everybody(self, who: str) -> None:
        if self.allow_all and not self.allowed_domains:
            raise ValueError(
                f"allow_all without allowed_domains would let in {who}: name domains, groups or users"
            )


class OpenIdMethod(OAuthMethod):
    """What providers of OpenID Connect have."""

    username_claim: str = "preferred_username"
    """What of the provider's claims becomes the name here. `email`: the part before the @ where `allowed_domains`
    names one domain alone, else all of it."""
    sign_out_there: bool = False
    """Whether signing out here leads to the provider's own sign-out: for machines that people share, where the
    next one would be let in without a question."""

    @property
    def issuer_url(self) -> str:
        """What the provider calls itself."""
        raise NotImplementedError


class OidcMethod(OpenIdMethod):
    """Any OpenID Connect provider, found by its issuer: Keycloak, Authentik, Shibboleth, Okta …"""

    type: Literal["oidc"]
    issuer: Url
    """Its discovery document is at `<issuer>/.well-known/openid-configuration`."""
    groups_claim: str = "groups"
    """Where the claims have groups; dots lead inwards, as in `realm_access.roles`. Empty: nowhere."""

    @property
    def issuer_url(self) -> str:
        return self.issuer


class GitHubMethod(OAuthMethod):
    """github.com or a GitHub Enterprise Server. Groups are organizations (`org`) and teams (`org:team`); they are
    asked for where a list has some, or where `scopes` has `read:org`."""

    type: Literal["github"]
    allowed_groups: LowerCase = Field(default=[])
    admin_groups: LowerCase = Field(default=[])
    url: Url = "https://github.com"

    @model_validator(mode="after")
    def _is_closed(self) -> GitHubMethod:
        if self.url == "https://github.com":
            self._not_for_everybody("everybody who has an account at GitHub")
        return self


class GitLabMethod(OpenIdMethod):
    """gitlab.com or a GitLab of one's own. Groups are full paths: `group/subgroup`."""

    type: Literal["gitlab"]
    url: Url = "https://gitlab.com"

    @model_validator(mode="after")
    def _is_closed(self) -> GitLabMethod:
        if self.url == "https://gitlab.com":
            self._not_for_everybody("everybody who has an account at GitLab")
        return self

    @property
    def issuer_url(self) -> str:
        return self.url


class GoogleMethod(OpenIdMethod):
    """Google accounts. Groups are those of a Workspace domain, by their e-mail addresses."""

    type: Literal["google"]
    allowed_groups: LowerCase = Field(default=[])
    admin_groups: LowerCase = Field(default=[])
    url: Url = "https://accounts.google.com"
    api_url: Url = "https://admin.googleapis.com"
    username_claim: str = "email"
    workspace_admin: str = ""
    """For groups: the admin of the Workspace domain in whose name the service account reads them (domain-wide
    delegation). The service account's key file is the secret `<name>-service-account`."""

    @model_validator(mode="after")
    def _is_closed(self) -> GoogleMethod:
        self._not_for_everybody("everybody who has a Google account")
        if (self.allowed_groups or self.admin_groups) and not self.workspace_admin:
            raise ValueError(
                "allowed_groups and admin_groups need workspace_admin: nobody else may see who is in which group"
            )
        return self

    @property
    def issuer_url(self) -> str:
        return self.url


class AzureAdMethod(OpenIdMethod):
    """Microsoft Entra ID (Azure AD). Groups are object ids, or app roles where the app registration has some."""

    type: Literal["azuread"]
    tenant: str
    """The directory's id, a GUID: Entra's overview page has it."""
    url: Url = "https://login.microsoftonline.com"
    graph_url: Url = "https://graph.microsoft.com"
    groups_claim: Literal["groups", "roles"] = "groups"

    @field_validator("tenant")
    @classmethod
    def _is_one(cls, tenant: str) -> str:
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", tenant.lower()):
            raise ValueError(
                f"expected the id of one directory, such as 72f988bf-86f1-41af-91ab-2d7cd011db47, found {tenant!r}"
                " (common and organizations would be everybody of every directory)"
            )
        return tenant.lower()

    @property
    def issuer_url(self) -> str:
        return f"{self.url.rstrip('/')}/{self.tenant}/v2.0"
