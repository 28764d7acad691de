"""The well-known places that speak OpenID Connect: GitLab, Google, Microsoft Entra ID."""

from __future__ import annotations

from typing import Any

from oauthenticator.generic import GenericOAuthenticator

from ...secretfiles import SecretError
from ..oauth_settings import AzureAdMethod, GitLabMethod, GoogleMethod
from . import claims as claim
from .errors import NoLonger, ProviderDown
from .googlegroups import GoogleGroups
from .idtoken import IdTokenError
from .openid import OpenIdWay
from .start import Start


class GitLabAuthenticator(OpenIdWay, GenericOAuthenticator):
    """`type: gitlab`. Its userinfo page has the full paths of all groups of a person, inherited ones too."""

    method: GitLabMethod


class GoogleAuthenticator(OpenIdWay, GenericOAuthenticator):
    """`type: google`. Groups are not among the claims: a service account of the Workspace domain reads them."""

    method: GoogleMethod
    asks_userinfo = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._groups: GoogleGroups | None = None
        if self.method.workspace_admin:
            self._groups = self._directory()

    async def authenticate(self, handler: Any, data: Any = None, **kwargs: Any) -> dict[str, Any]:
        """Google gives a refresh token at the first sign-in alone: the one of then stays."""
        model = await super().authenticate(handler, data, **kwargs)
        state, user = model["auth_state"], handler.find_user(self.hub_name(self.normalize_username(model["name"])))
        old = await user.get_auth_state() if user is not None and not state["refresh_token"] else None
        if old and old.get("claims", {}).get("sub") == state["claims"]["sub"]:
            state["refresh_token"] = old.get("refresh_token")
        return model

    def _directory(self) -> GoogleGroups:
        key = self.secret("service-account")
        try:
            return GoogleGroups(self.client, key, self.method.workspace_admin, self.method.api_url)
        except ValueError as error:
            raise SecretError(f"{self.front.paths.secrets / self.name}-service-account: {error}") from error

    @property
    def groups_claim(self) -> str:
        return ""

    def parameters(self, start: Start) -> dict[str, str]:
        """`access_type`: Google's way to ask for a refresh token. `hd` only saves a choice of accounts."""
        domain = {"hd": next(iter(self.only_domain))} if self.only_domain else {}
        return {"access_type": "offline", **domain, **super().parameters(start)}

    def domains_of(self, claims: dict[str, Any]) -> frozenset[str]:
        """The Workspace domain that the account belongs to. Of other addresses Google vouches for its own only."""
        hosted = claims.get("hd")
        if isinstance(hosted, str) and hosted:
            return frozenset({hosted.lower()})
        return claim.verified_domains(claims) & {"gmail.com", "googlemail.com"}

    async def groups_of(self, claims: dict[str, Any], answer: dict[str, Any]) -> list[str]:
        return await self._groups.of(claims["email"]) if self._groups else []


class AzureAdAuthenticator(OpenIdWay, GenericOAuthenticator):
    """`type: azuread`, for one directory. `oid` is the person for good; `email` is not looked at: in Entra anyone
    may write anything there."""

    method: AzureAdMethod
    needed_scopes = ("openid", "profile", "offline_access")
    asks_userinfo = False

    @property
    def groups_claim(self) -> str:
        return self.method.groups_claim

    def subject(self, claims: dict[str, Any]) -> str:
        if not isinstance(claims.get("oid"), str):
            raise IdTokenError("it has no oid: is the app registered for accounts of this directory?")
        return f"{claims['iss']} {claims['oid']}"

    def name_of(self, claims: dict[str, Any]) -> str:
        return claim.username(claims, self.method.username_claim, strip=self.only_domain)

    def domains_of(self, claims: dict[str, Any]) -> frozenset[str]:
        """Of the name that the directory gave them, whose domain the directory has proven to be its own."""
        return claim.domain_of(claims.get("preferred_username"))

    async def groups_of(self, claims: dict[str, Any], answer: dict[str, Any]) -> list[str]:
        """Who is in more than about 200 groups gets a pointer instead of them; then Graph is asked."""
        sources = claims.get("_claim_names")
        if not (isinstance(sources, dict) and self.groups_claim in sources) and "hasgroups" not in claims:
            return claim.groups(claims, self.groups_claim)
        url = f"{self.method.graph_url.rstrip('/')}/v1.0/me/getMemberGroups"
        try:
            answer = await self.client.post_json(url, {"securityEnabledOnly": True}, answer["access_token"])
        except NoLonger as error:
            raise ProviderDown(
                f"{error}; this person is in too many groups for a token, so the app needs Graph's permission"
                " GroupMember.Read.All, or groups_claim: roles"
            ) from error
        return claim.groups(answer if isinstance(answer, dict) else {}, "value")
