"""What all ways in by OAuth share: checking the answer, the person in it, and looking again while they are in.

A provider's own class says how it is asked (`identify`, `ask_again`). oauthenticator's allow lists, groups and
refreshing are not used: those of `Method` are, which are one for all ways in.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from jupyterhub.utils import get_browser_protocol, url_path_join
from oauthenticator.oauth2 import OAuthenticator
from traitlets import Bool

from ...i18n import N_, Translate, translator
from ...secretfiles import read_given_secret
from ..method import Method
from ..oauth_settings import OAuthMethod
from ..refused import SignInRefused
from .client import REFUSED_GRANTS, Client
from .errors import NoLonger, ProviderDown
from .handlers import ReturnPage, StartPage
from .idtoken import IdTokenError
from .start import Start

JUST_NOW_S = 10.0
"""Several pages that ask about the same person at once share one answer: a refresh token serves once."""

DOWN = N_("Sign-in by {label} does not work at the moment. Try again later, or tell an admin.")
NOT_STARTED = N_(
    "This sign-in was not begun in this browser, took too long, or was answered already. Please sign in again."
)
NOT_BELIEVED = N_(
    "The answer of {label} cannot be trusted. Please sign in again; if that does not help, tell an admin."
)


@dataclass(frozen=True)
class Person:
    """Someone as the provider knows them."""

    subject: str
    """What stays when they are renamed; unique together with the provider."""
    name: str
    groups: list[str]
    domains: frozenset[str]
    """Of their verified e-mail addresses, lower case."""
    state: dict[str, Any] = field(repr=False)
    """What it takes to look again: tokens. Encrypted in the hub's database, and in no log."""


class OAuthWay(Method, OAuthenticator):
    """A way in by OAuth. Subclasses give `identify` and `ask_again`."""

    login_handler, callback_handler = StartPage, ReturnPage
    form = False
    enable_pkce = Bool(True)  # not config: it costs nothing where a provider does not know it
    method: OAuthMethod

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        method = self.method
        self.client_id, self.client_secret = method.client_id, self.secret("client-secret")
        self.oauth_callback_url = method.callback_url
        self.auth_refresh_age = int(method.refresh)
        self.manage_groups = self.enable_auth_state = True  # JupyterHub asks it of the authenticator of a page
        self.client = Client(method.timeout, method.ca_file)
        self._looks: dict[str, tuple[float, asyncio.Task[Any]]] = {}

    def secret(self, what: str) -> str:
        """The secret `<name>-<what>` of this installation. Raises SecretError."""
        return read_given_secret(self.front.paths, f"{self.name}-{what}")

    def get_handlers(self, app: Any) -> list[tuple[str, type]]:
        """To the provider and back. Not oauthenticator's page for signing out: the hub has one for all."""
        return [("/oauth_login", self.login_handler), ("/oauth_callback", self.callback_handler)]

    def get_callback_url(self, handler: Any = None) -> str:
        """Where the provider sends people back to, as it was told when this hub was registered there."""
        if self.oauth_callback_url:
            return self.oauth_callback_url
        public, request = handler.settings.get("public_url"), handler.request
        scheme, host = (public.scheme, public.netloc) if public else (get_browser_protocol(request), request.host)
        return f"{scheme}://{host}" + url_path_join(handler.hub.base_url, "login", self.name, "oauth_callback")

    # the provider's own class

    async def prepare(self, _: Translate) -> None:
        """Know the provider's addresses. Raises SignInRefused where it does not answer."""

    def parameters(self, start: Start) -> dict[str, str]:
        """What is sent along with the browser."""
        return {
            **self.method.authorize_params,
            "state": start.state,
            "code_challenge": start.challenge,
            "code_challenge_method": "S256",
        }

    def check_sender(self, issuer: str | None) -> None:
        """That the answer names no other provider than the one that was asked (RFC 9207). Raises IdTokenError."""

    async def identify(self, answer: dict[str, Any], start: Start) -> Person:
        """The person whom the token endpoint's `answer` is about. Raises ProviderDown, NoLonger, IdTokenError."""
        raise NotImplementedError

    async def ask_again(self, state: dict[str, Any]) -> Person | None:
        """The person as they are now; None where nothing can be asked and nothing has ended yet.

        Raises ProviderDown, NoLonger, IdTokenError.
        """
        raise NotImplementedError

    # signing in

    async def authenticate(self, handler: Any, data: Any = None, **kwargs: Any) -> dict[str, Any]:
        """The person who comes back with the provider's answer. Raises SignInRefused."""
        _, address = translator(handler.request.headers.get("Accept-Language")), handler.request.remote_ip
        start = self._check_answer(handler, _)
        await self.prepare(_)
        try:
            self.check_sender(handler.get_query_argument("iss", None))
            answer = await self.redeem(
                handler.get_query_argument("code", ""), start, self.get_callback_url(handler)
            )
            person = await self.identify(answer, start)
        except ProviderDown as error:
            self.log.error("Sign-in by %s does not work: %s", self.name, error)
            raise SignInRefused(503, _(DOWN).format(label=_(self.label)), cause="directory-down") from error
        except (NoLonger, IdTokenError) as error:
            self.log.warning("Sign-in by %s from %s: the answer is not believed: %s", self.name, address, error)
            raise SignInRefused(403, _(NOT_BELIEVED).format(label=_(self.label)), cause="not-believed") from error
        self._check_domain(person, address, _)
        self.log.info(
            "By %s comes %r, of the groups %s", self.name, person.name, ", ".join(person.groups) or "(none)"
        )
        self._looks = {name: look for name, look in self._looks.items() if not look[1].done()}
        return self._model(person)

    def _check_answer(self, handler: Any, _: Translate) -> Start:
        """That the answer belongs to a try of this browser, and is one. Raises SignInRefused."""
        start, address = handler.started, handler.request.remote_ip
        if start is None or not start.is_answered_by(self.name, handler.get_query_argument("state", "")):
            self.log.warning(
                "Sign-in by %s from %s: an answer to a question that was not asked", self.name, address
            )
            raise SignInRefused(400, _(NOT_STARTED), cause="state")
        error = handler.get_query_argument("error", "")
        if error:  # the words that come along are the address's, which anyone can write: for the log alone
            said = handler.get_query_argument("error_description", "")
            self.log.warning("Sign-in by %s from %s: it said %.100r %.300r", self.name, address, error, said)
            sentence = _("{label} did not let you in, or you said no there.").format(label=_(self.label))
            raise SignInRefused(403, sentence, cause="not-allowed")
        if not handler.get_query_argument("code", ""):
            raise SignInRefused(400, _(NOT_STARTED), cause="state")
        return start

    def _check_domain(self, person: Person, address: str, _: Translate) -> None:
        allowed = self.method.allowed_domains
        if allowed and not person.domains & set(allowed):
            self.log.warning(
                "Sign-in by %s from %s: %r has no verified address of %s, but of %s",
                self.name,
                address,
                person.name,
                allowed,
                sorted(person.domains),
            )
            sentence = _("Your account has no confirmed e-mail address of an organization that may use this hub.")
            raise SignInRefused(403, sentence, cause="not-allowed")

    def _model(self, person: Person) -> dict[str, Any]:
        return {
            "name": person.name,
            "subject": person.subject,
            "groups": person.groups,
            "admin": None,
            "auth_state": person.state,
        }

    def sentence_not_allowed(self, _: Translate) -> str:
        """For who is known there, and not let in here."""
        sentence = _("You are signed in at {label}, but your account may not use this hub. Ask its admins.")
        return sentence.format(label=_(self.label))

    # tokens

    async def redeem(self, code: str, start: Start, callback: str) -> dict[str, Any]:
        """The token endpoint's answer to a code. Raises ProviderDown, NoLonger."""
        return await self._ask_for_tokens(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": callback,
                "code_verifier": start.verifier,
            }
        )

    async def renew(self, refresh_token: str) -> dict[str, Any]:
        """The token endpoint's answer to a refresh token, which may serve this once. Raises as `redeem`."""
        answer = await self._ask_for_tokens({"grant_type": "refresh_token", "refresh_token": refresh_token})
        return {"refresh_token": refresh_token, **answer}

    async def _ask_for_tokens(self, fields: dict[str, str]) -> dict[str, Any]:
        basic = (self.client_id, self.client_secret) if self.basic_auth else None
        if not basic:
            fields = {**fields, "client_id": self.client_id, "client_secret": self.client_secret}
        answer = await self.client.post(self.token_url, fields, basic)
        if not isinstance(answer, dict):
            raise ProviderDown("the token endpoint's answer is not an object")
        if answer.get("error"):  # GitHub says so with status 200
            kind = NoLonger if answer["error"] in REFUSED_GRANTS else ProviderDown
            raise kind(f"the token endpoint says {str(answer['error'])[:60]!r}")
        if not isinstance(answer.get("access_token"), str) or not answer["access_token"]:
            raise ProviderDown("the token endpoint's answer has no access token")
        return answer

    # looking again

    async def refresh_user(self, user: Any, handler: Any = None, **kwargs: Any) -> bool | dict[str, Any]:
        """Ask the provider again.

        True: nothing new, or it does not answer. False: out. Otherwise what `authenticate` gives.
        """
        now = time.monotonic()
        started, task = self._looks.get(user.name, (float("-inf"), None))
        if task is None or (task.done() and now - started > min(JUST_NOW_S, self.method.refresh / 2)):
            task = asyncio.ensure_future(self._refresh(user))
            self._looks = {name: look for name, look in self._looks.items() if now - look[0] < JUST_NOW_S}
            self._looks[user.name] = (now, task)
        return await asyncio.shield(task)

    async def _refresh(self, user: Any) -> bool | dict[str, Any]:
        state = await self.kept_state(user)
        if not state:
            self.log.info("%s has to sign in again: nothing is kept to ask %s with", user.name, self.name)
            return False
        try:
            person = await self.ask_again(state)
        except ProviderDown as error:
            self.log.error("%s stays signed in: %s does not answer: %s", user.name, self.name, error)
            return True
        except (NoLonger, IdTokenError) as error:
            self.log.warning("%s is signed out: %s says no: %s", user.name, self.name, error)
            return False
        if person is None:
            return True
        if self.method.allowed_domains and not person.domains & set(self.method.allowed_domains):
            self.log.warning("%s is signed out: no verified address of %s", user.name, self.method.allowed_domains)
            return False
        if person.state != state:  # kept at once, whoever asks: a refresh token that was used is worth nothing
            await user.save_auth_state(person.state)
        model = self._model(person)
        del model["auth_state"]
        return model

    async def kept_state(self, user: Any) -> dict[str, Any] | None:
        """What `authenticate` or `refresh_user` gave as `auth_state`."""
        return await user.get_auth_state()
