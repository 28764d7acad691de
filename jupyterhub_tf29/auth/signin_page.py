"""The sign-in page with all methods on it, and the addresses below it where each does its work."""

from __future__ import annotations

from typing import Any

from jupyterhub.handlers.login import LoginHandler
from jupyterhub.utils import url_path_join
from tornado import web
from tornado.httputil import url_concat

from ..i18n import N_, Translate, choose_language, translator
from .method import Method

STOCK_ERRORS = (N_("Invalid username or password"), N_("Login form invalid or expired. Try again."))
"""What the hub's own sign-in page says."""


class SignInPage(LoginHandler):
    """The hub's own sign-in page, in the reader's language, with the form of `method` in it."""

    method: Method | None = None
    """Whose form it shows and takes; None where people go elsewhere to sign in."""
    password_is_temporary = False
    """Set by the authenticator: someone else made the password up."""

    @property
    def translate(self) -> Translate:
        return translator(self.request.headers.get("Accept-Language"))

    async def post(self) -> None:
        """The form, where it can be read; what is no text is not looked at again when the error is shown."""
        try:
            for name in self.request.body_arguments:
                self.get_arguments(name)
        except web.HTTPError:
            self.request.arguments.clear()
            self.request.body_arguments.clear()
            raise
        await super().post()

    async def get(self) -> None:
        """As LoginHandler, with a session from the start.

        Without one JupyterHub's form token is the same for all browsers of one make behind one address.
        """
        if not self.current_user and not self.get_session_cookie():
            self.set_session_cookie()
        await super().get()

    def set_login_cookie(self, user: Any) -> None:
        """As BaseHandler; who signs in gets another session than they came with, which may be an attacker's."""
        if self.request.method == "POST":
            self.set_session_cookie()
        super().set_login_cookie(user)

    async def authenticate(self, data: Any) -> Any:
        """What the form says, to its own method."""
        if self.method is None:
            raise web.HTTPError(405)
        return await self.method.get_authenticated_user(self, data)

    def render_template(self, name: str, sync: bool = False, **ns: Any) -> Any:
        """Adds what the templates need to speak the reader's language and to show the methods."""
        if name == "login.html":
            ns = {**ns, **self._choice()}
        return super().render_template(name, sync=sync, **{**ns, **words(self)})

    def _render(self, login_error: str | None = None, username: str | None = None, **kwargs: Any) -> Any:
        login_error = self.translate(login_error) if login_error else None
        for name in (*words(self), *self._choice()):  # there already where the page is shown again with an error
            kwargs.pop(name, None)
        return super()._render(login_error=login_error, username=username, **kwargs)

    def _choice(self) -> dict[str, Any]:
        """The method whose form is on this page, and the others as buttons."""
        here = self.method
        address = url_path_join(self.hub.base_url, "login", here.name if here and here.hidden else "")
        if here and not here.hidden:
            address = self.authenticator.login_address(here, self.hub.base_url)
        after = {"next": self.get_argument("next", "")}
        return {
            "authenticator_login_url": url_concat(address.rstrip("/"), after),
            "method": {"name": here.name, "label": self.translate(here.label)} if here else None,
            "sign_up": getattr(here, "sign_up", None),
            "others": [
                {
                    "name": other.name,
                    "label": self.translate(other.label),
                    "url": url_concat(self.authenticator.login_address(other, self.hub.base_url), after),
                }
                for other in self.authenticator.methods
                if other is not here and not other.hidden
            ],
        }

    def get_next_url(self, user: Any = None, default: str | None = None) -> str:
        """Past the page for choosing a password, where someone else made theirs up."""
        target = super().get_next_url(user, default)
        if not self.password_is_temporary:
            return target
        page = url_path_join(self.hub.base_url, "password")
        return url_concat(page, {"temporary": "1", "next": target})


def words(handler: Any) -> dict[str, Any]:
    """What templates need to speak the reader's language."""
    header = handler.request.headers.get("Accept-Language")
    return {"_": translator(header), "language": choose_language(header)}


def page_of(method: Method | None) -> type[SignInPage]:
    """The sign-in page with the form of `method`."""
    return type("SignInPage", (SignInPage,), {"method": method})


def bound(handler: type, method: Method) -> type:
    """A handler of a method's own library, for which the method is the hub's authenticator.

    But whether somebody who is signed in already may stay is the front's to say: they may have come another way.
    """

    async def refresh_auth(self: Any, user: Any, force: bool = False) -> Any:
        self.authenticator = method.front
        try:
            return await handler.refresh_auth(self, user, force)  # type: ignore[attr-defined]
        finally:
            del self.authenticator

    return type(handler.__name__, (handler,), {"authenticator": method, "refresh_auth": refresh_auth})
