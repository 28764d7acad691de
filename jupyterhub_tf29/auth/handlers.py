"""The pages of local accounts: ask for one, choose another password, and the admin's Accounts page."""

from __future__ import annotations

from typing import Any

from jupyterhub import orm
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.utils import url_path_join
from tornado import web

from ..audit.acting import by_whom
from ..i18n import Translate, translator
from .accounts import Outcome
from .admin_actions import ACTIONS, EVENTS, Done
from .errors import AccountError
from .models import NOTE_LENGTH
from .passwords import MIN_LENGTH
from .sessions import end_sessions
from .signin_page import words
from .trail import record


class _Page(BaseHandler):
    """A page of ours: `self.translate`, `self.show(template, …)`, `self.local`."""

    @property
    def local(self) -> Any:
        """The authenticator of local accounts, which is one of several in the hub's."""
        return self.authenticator.local

    @property
    def translate(self) -> Translate:
        return translator(self.request.headers.get("Accept-Language"))

    async def show(self, template: str, status: int = 200, **ns: Any) -> None:
        """Answer with a template. Never kept by browser or proxy: it may show a password."""
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(await self.render_template(template, **words(self), **ns))

    def field(self, name: str) -> str:
        """A field of the form as the sign-in page reads it: passwords keep their blanks."""
        return self.get_body_argument(name, "", strip=name not in {"password", "again", "current"})


class SignUpPage(_Page):
    """Asking for an account, which an admin approves."""

    async def get(self) -> None:
        await self._show()

    async def post(self) -> None:
        authenticator, _ = self.local, self.translate
        if authenticator.sign_up == "closed":
            raise web.HTTPError(403, _("This hub takes no requests for accounts. Ask an admin."))
        name, password, note = self.field("username"), self.field("password"), self.field("note")
        if password != self.field("again"):
            return await self._show(400, error=_("The two passwords differ."), username=name, note=note)
        name = authenticator.normalize_username(name)
        address = self.request.remote_ip
        try:
            await authenticator.hash(_, authenticator.store.sign_up, name, password, note, address)
        except AccountError as error:
            return await self._show(400, error=error.translated(_), username=name, note=note)
        authenticator.waiting_count = await authenticator.look(authenticator.store.count_waiting)
        self.log.info("Sign-up from %s for the name %s waits for approval", address, name)
        record("account-request", address=address)  # the name is in the store; here it may be a mistyped password
        await self._show(sent=True, username=name)

    async def _show(self, status: int = 200, **ns: Any) -> None:
        limits = {"least": MIN_LENGTH, "note_length": NOTE_LENGTH}
        await self.show("signup.html", status, sign_up=self.local.sign_up, **limits, **ns)


class PasswordPage(_Page):
    """Choosing another password for one's own account."""

    @web.authenticated
    async def get(self) -> None:
        await self._show(changed=bool(self.get_query_argument("changed", "")))

    @web.authenticated
    async def post(self) -> None:
        authenticator, user, _ = self.local, self.current_user, self.translate
        own_name = authenticator.own_name(user.name)
        new = self.field("password")
        if new != self.field("again"):
            return await self._show(400, error=_("The two passwords differ."))
        try:
            outcome, _account = await authenticator.check_password(
                own_name, self.field("current"), self.request.remote_ip, _
            )
            if outcome is not Outcome.ACTIVE:
                return await self._show(403, error=_("The present password is not right."))
            await authenticator.hash(_, authenticator.store.set_password, own_name, new)
        except AccountError as error:
            return await self._show(400, error=error.translated(_))
        except web.HTTPError as error:
            return await self._show(error.status_code, error=error.log_message)
        end_sessions(self.db, user.orm_user)
        await authenticator.look(authenticator.store.sessions_ended, own_name)
        self.set_login_cookie(user)  # this browser stays signed in
        self.log.info("%s changed their password", user.name)
        record("account-password", name=user.name, **by_whom(user.name))
        target = self._validate_next_url(self.field("next"))
        self.redirect(target or url_path_join(self.hub.base_url, "password?changed=1"), status=303)

    async def _show(self, status: int = 200, **ns: Any) -> None:
        authenticator = self.local
        own_name = authenticator.own_name(self.current_user.name)
        account = await authenticator.look(authenticator.store.get, own_name)
        temporary = account is not None and account.temporary_password
        next_url = self._validate_next_url(self.get_argument("next", ""))
        here = {"account": account, "temporary": temporary, "least": MIN_LENGTH, "next_url": next_url}
        await self.show("password.html", status, **here, **ns)


class AccountsPage(_Page):
    """Where admins approve, add, disable and give new passwords. Every change is a POST with the XSRF token."""

    @web.authenticated
    async def get(self) -> None:
        self._only_admins()
        await self._show()

    @web.authenticated
    async def post(self) -> None:
        self._only_admins()
        act, _ = ACTIONS.get(self.field("action")), self.translate
        if act is None:
            raise web.HTTPError(400, _("There is no such action."))
        try:
            done = await act(self)
        except AccountError as error:
            return await self._show(409, error=error.translated(_))
        self.log.info("%s: %s %s", self.current_user.name, self.field("action"), done.name)
        name = self.local.hub_name(done.name)
        record(EVENTS[self.field("action")], name=name, **by_whom(name))
        await self._show(done=done)

    def _only_admins(self) -> None:
        _ = self.translate
        if not self.current_user.admin:
            raise web.HTTPError(403, _("This page is for admins."))

    async def _show(self, status: int = 200, done: Done | None = None, error: str = "") -> None:
        authenticator = self.local
        store, look = authenticator.store, authenticator.look
        accounts, waiting = await look(store.accounts), await look(store.waiting)
        taken = await look(store.taken_names)
        authenticator.waiting_count = len(waiting)
        hub_users = {
            authenticator.own_name(row.name): row.admin
            for row in self.db.query(orm.User.name, orm.User.admin)
            if authenticator.is_of_this(row.name)
        }
        await self.show(
            "accounts.html",
            status,
            done=done,
            error=error,
            accounts=accounts,
            waiting=waiting,
            locks=self.authenticator.throttle.locks(),
            taken={name: status.value for name, status in taken.items()},
            admins={name for name, admin in hub_users.items() if admin} | set(authenticator.admin_users),
            without_account=sorted(set(hub_users) - {account.name for account in accounts}),
            note_length=NOTE_LENGTH,
        )
