"""The way of the browser: to the provider, and back with its answer."""

from __future__ import annotations

import uuid
from typing import Any

from jupyterhub import orm
from jupyterhub.utils import url_path_join
from oauthenticator.oauth2 import OAuthCallbackHandler, OAuthLoginHandler
from tornado.httputil import url_concat

from ...i18n import Translate, translator
from ..refused import SignInRefused
from ..signin_page import words
from .start import COOKIE, MAX_AGE_S, MAX_COOKIES, Start, cookie_for, load

SECONDS_A_DAY = 24 * 3600


class StartPage(OAuthLoginHandler):
    """Sends the browser to the provider, and remembers in a cookie what was asked."""

    async def get(self) -> None:
        authenticator = self.authenticator
        await authenticator.prepare(translator(self.request.headers.get("Accept-Language")))
        start = Start.new(authenticator.name, self._validate_next_url(self.get_query_argument("next", "")))
        self._forget_other_tries()
        self._set_cookie(
            start.cookie,
            start.dump(),
            expires_days=MAX_AGE_S / SECONDS_A_DAY,
            path=self.hub.base_url,
            httponly=True,
            samesite="Lax",  # not Strict: it has to come along from the provider's page
        )
        self.set_header("Cache-Control", "no-store")
        self.authorize_redirect(
            redirect_uri=authenticator.get_callback_url(self),
            client_id=authenticator.client_id,
            scope=authenticator.scope,
            response_type="code",
            extra_params={**authenticator.extra_authorize_params, **authenticator.parameters(start)},
        )

    def _forget_other_tries(self) -> None:
        """Keep the newest cookies of other tabs only as long as headers stay short."""
        others = [name for name in self.request.cookies if name.startswith(COOKIE)]
        for name in others if len(others) >= MAX_COOKIES else ():
            self.clear_cookie(name, path=self.hub.base_url)


class ReturnPage(OAuthCallbackHandler):
    """Takes the provider's answer. The checks are the authenticator's, so that refusals are in the audit trail."""

    started: Start | None = None
    refused_for = "not-allowed"
    """For the audit trail: whoever is turned away without an error was known, and is on no list."""

    @property
    def translate(self) -> Translate:
        return translator(self.request.headers.get("Accept-Language"))

    async def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        self.started = self._take_start()
        before, session = self.get_current_user_cookie(), self.get_session_cookie()
        try:
            user = await self.login_user()
        except SignInRefused as refused:
            return await self._turn_away(refused.status_code, refused.log_message or "")
        if user is None:
            return await self._turn_away(403, self.authenticator.sentence_not_allowed(self.translate))
        if before is not None and before.name != user.name:
            self._end_session_of(before, session)
        self._begin_session()
        self.redirect(self.get_next_url(user))

    async def _turn_away(self, status: int, sentence: str) -> None:
        """A page that says why, with a way to try again."""
        after = {"next": self.started.next_url} if self.started and self.started.next_url else {}
        again = url_concat(url_path_join(self.hub.base_url, "login"), after)
        self.set_status(status)
        self.finish(await self.render_template("refused.html", sentence=sentence, again=again, **words(self)))

    def _request_summary(self) -> str:
        """For Tornado's log: without state and code."""
        return f"{self.request.method} {self.request.path} ({self.request.remote_ip})"

    def _end_session_of(self, other: Any, session: str | None) -> None:
        """Whoever was signed in here before has left the seat: their servers' cookies in this browser end, too."""
        tokens = orm.APIToken
        for token in self.db.query(tokens).filter(tokens.user_id == other.id, tokens.session_id == session):
            self.db.delete(token)
        self.db.commit()
        self.log.info("%s is signed out of a browser in which somebody else has signed in", other.name)

    def _begin_session(self) -> None:
        """A session id of this sign-in's own: not one that was planted in the browser before."""
        self._session_id = uuid.uuid4().hex  # JupyterHub keeps an id that the browser brought along
        self.set_session_cookie()

    def _take_start(self) -> Start | None:
        """What was remembered of the try that this answers; gone with this, so that an answer serves once."""
        name = cookie_for(self.get_query_argument("state", ""))
        text = self.get_secure_cookie(name, max_age_days=MAX_AGE_S / SECONDS_A_DAY)
        if self.get_cookie(name):
            self.clear_cookie(name, path=self.hub.base_url)
        return load(text)

    def get_next_url(self, user: Any = None, default: str | None = None) -> str:
        """Where they wanted to go: a page of this hub, as was checked when they left and is again."""
        wanted = self._validate_next_url(self.started.next_url) if self.started else ""
        return wanted or super(OAuthCallbackHandler, self).get_next_url(user, default)
