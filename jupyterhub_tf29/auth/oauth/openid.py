"""OpenID Connect: any provider, found by its issuer. ID tokens are verified, see `idtoken`."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from oauthenticator.generic import GenericOAuthenticator
from tornado.httputil import url_concat

from ...i18n import Translate
from ..oauth_settings import OidcMethod, OpenIdMethod
from ..refused import SignInRefused
from . import claims as claim
from .authenticator import DOWN, OAuthWay, Person
from .errors import NoLonger, ProviderDown
from .idtoken import Expected, IdTokenError, read_header, verify_id_token
from .keys import KeyStore
from .metadata import Metadata, MetadataStore
from .start import Start

USERINFO, TOKEN = "userinfo", "token"
"""Where the groups came from, and so where they are looked for again."""
KEPT = frozenset({"iss", "sub", "oid", "email", "email_verified", "hd", "preferred_username"})
"""Claims that tell who somebody is, beside those that hub.yaml names."""


class OpenIdWay(OAuthWay):
    """What all providers of OpenID Connect share; the well-known places are in `presets`."""

    method: OpenIdMethod
    needed_scopes: tuple[str, ...] = ("openid", "profile", "email")
    asks_userinfo = True
    """Whether its userinfo page knows more than its ID tokens."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metadata = MetadataStore(self.method.issuer_url, self.client.get, self.log)
        self.keys = KeyStore(self._fetch_keys)
        self._reading: asyncio.Task[None] | None = None

    # what differs between places

    @property
    def groups_claim(self) -> str:
        """Empty: none of its claims has groups."""
        return "groups"

    def subject(self, claims: dict[str, Any]) -> str:
        """Who this is for good."""
        return f"{claims['iss']} {claims['sub']}"

    def name_of(self, claims: dict[str, Any]) -> str:
        """Raises ClaimError."""
        wanted = self.method.username_claim
        return claim.username(claims, wanted, strip=self.only_domain if wanted == "email" else frozenset())

    def domains_of(self, claims: dict[str, Any]) -> frozenset[str]:
        return claim.verified_domains(claims)

    async def groups_of(self, claims: dict[str, Any], answer: dict[str, Any]) -> list[str]:
        """`answer` is the token endpoint's. Raises ProviderDown, NoLonger."""
        return claim.groups(claims, self.groups_claim)

    @property
    def only_domain(self) -> frozenset[str]:
        """The one domain that may come in, which then need not be part of names."""
        return frozenset(self.method.allowed_domains) if len(self.method.allowed_domains) == 1 else frozenset()

    # its addresses

    def get_handlers(self, app: Any) -> list[tuple[str, type]]:
        """Also begins to read the provider's description, beside the hub's start."""
        try:
            self._reading = asyncio.get_running_loop().create_task(self.metadata.keep_trying())
        except RuntimeError:  # no loop yet: then the first sign-in reads it
            self._reading = None
        return super().get_handlers(app)

    async def prepare(self, _: Translate) -> None:
        """Read the provider's description, where it is not known yet. Raises SignInRefused."""
        try:
            known = await self._known()
        except ProviderDown as error:
            raise SignInRefused(503, _(DOWN).format(label=_(self.label)), cause="directory-down") from error
        self.authorize_url, self.token_url = known.authorization_endpoint, known.token_endpoint
        self.basic_auth = not known.secret_by_post_only
        wanted = [*self.needed_scopes, *self.method.scopes]
        if self.groups_claim == "groups" and "groups" in known.scopes:
            wanted.append("groups")
        self.scope = list(dict.fromkeys(wanted))

    async def sign_out_address(self) -> str:
        """Without a token in it, which would stay in the browser's history; so the provider may ask once more."""
        known = await self.metadata.get() if self.method.sign_out_there else None
        if known is None or not known.end_session_endpoint:
            return ""
        return url_concat(known.end_session_endpoint, {"client_id": self.client_id})

    async def _known(self) -> Metadata:
        known = await self.metadata.get()
        if known is None:
            raise ProviderDown(f"the description of {self.method.issuer_url} has not been read yet")
        return known

    async def _fetch_keys(self) -> Any:
        return await self.client.get((await self._known()).jwks_uri)

    def parameters(self, start: Start) -> dict[str, str]:
        return {**super().parameters(start), "nonce": start.nonce}

    def check_sender(self, issuer: str | None) -> None:
        known = self.metadata.known
        if known and issuer != known.issuer and (issuer is not None or known.names_itself):
            raise IdTokenError("the answer names another provider, or none (iss)")

    # who it is

    async def identify(self, answer: dict[str, Any], start: Start) -> Person:
        known = await self._known()
        token = await self._verify(answer.get("id_token"), Expected(known.issuer, self.client_id, start.nonce))
        info = await self._userinfo(known, answer["access_token"], token["sub"])
        source = TOKEN if info is None or claim.find(info, self.groups_claim) is None else USERINFO
        return await self._person(answer, token, info, source)

    async def ask_again(self, state: dict[str, Any]) -> Person | None:
        known, now = await self._known(), time.time()
        if state["groups_from"] == USERINFO and now < state["access_ends"]:
            try:
                info = await self._userinfo(known, state["access_token"], state["claims"]["sub"])
                return await self._person(state, state["claims"], info, USERINFO)
            except NoLonger:
                pass  # of the access token; a refresh token says whether also of the person
        if state.get("refresh_token"):
            return await self._renewed(known, state)
        if state["groups_from"] == TOKEN and now < state["id_ends"]:
            return None  # an ID token is believed until it ends
        raise NoLonger("what was given at sign-in has expired, and there is no refresh token")

    async def _renewed(self, known: Metadata, state: dict[str, Any]) -> Person:
        answer, old = await self.renew(state["refresh_token"]), state["claims"]
        token, source = old, state["groups_from"]
        if answer.get("id_token"):
            expected = Expected(known.issuer, self.client_id, nonce=None, subject=old["sub"])
            token = await self._verify(answer["id_token"], expected)
        elif source == TOKEN and time.time() >= state["id_ends"]:
            raise NoLonger("its refreshed answer has no ID token, and the last one has expired")
        info = await self._userinfo(known, answer["access_token"], old["sub"]) if source == USERINFO else None
        return await self._person({"id_ends": state["id_ends"], **answer}, {**old, **token}, info, source)

    async def _verify(self, token: Any, expected: Expected) -> dict[str, Any]:
        key = await self.keys.key_for(read_header(token))
        return verify_id_token(token, key, expected)

    async def _userinfo(self, known: Metadata, access_token: str, sub: str) -> dict[str, Any] | None:
        """What the userinfo page says of this person; None where it is not asked. Raises IdTokenError, too."""
        if not self.asks_userinfo or not known.userinfo_endpoint:
            return None
        info = await self.client.get(known.userinfo_endpoint, access_token)
        if not isinstance(info, dict) or info.get("sub") != sub:
            raise IdTokenError("its userinfo page speaks of someone else")
        return info

    async def _person(
        self, answer: dict[str, Any], token: dict[str, Any], info: dict[str, Any] | None, source: str
    ) -> Person:
        """What is signed goes before what is not, but for groups: those are where they can be looked for again."""
        merged = {**(info or {}), **token}
        if source == USERINFO and info is not None:
            merged.pop(self.groups_claim, None)
            if (found := claim.find(info, self.groups_claim)) is not None:
                merged[self.groups_claim] = found
        try:
            name = self.name_of(merged)
        except claim.ClaimError as error:
            raise IdTokenError(str(error)) from error
        state = self._state(answer, merged, source)
        groups = await self.groups_of(merged, answer)
        return Person(self.subject(merged), name, groups, self.domains_of(merged), state)

    def _state(self, answer: dict[str, Any], claims: dict[str, Any], source: str) -> dict[str, Any]:
        """No more than looking again takes."""
        paths = [
            self.method.username_claim,
            *([self.groups_claim] if source == TOKEN and self.groups_claim else []),
        ]
        kept = KEPT | {path if path in claims else path.partition(".")[0] for path in paths}
        lasts_s = answer.get("expires_in")
        ends = time.time() + (lasts_s if isinstance(lasts_s, (int, float)) else 3600)
        return {
            "access_token": answer["access_token"],
            "access_ends": answer.get("access_ends", ends),
            "refresh_token": answer.get("refresh_token"),
            "id_ends": claims.get("exp") or answer.get("id_ends") or 0,
            "groups_from": source,
            "claims": {name: claims[name] for name in sorted(kept) if name in claims},
        }


class OidcAuthenticator(OpenIdWay, GenericOAuthenticator):
    """`type: oidc`."""

    method: OidcMethod

    @property
    def groups_claim(self) -> str:
        return self.method.groups_claim
