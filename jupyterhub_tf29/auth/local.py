"""Sign-in with accounts of this hub's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from jupyterhub.auth import Authenticator
from sqlalchemy.exc import SQLAlchemyError
from tornado import web
from traitlets import Enum, Unicode, default

from ..i18n import Translate, in_language, translator
from . import handlers
from .accounts import Account, AccountStore, Outcome, Status
from .names import check_name, is_legal_name, normalize_name
from .sessions import end_sessions
from .throttle import Throttle

HASHING_THREADS = 2
"""Each hash fills a core for about 0.1 s; more of them at once only make the hub slow."""
MAX_HASHES_UNDER_WAY = 64
"""Running and waiting: at two threads some 4 s, after which a person would try again anyway."""

Result = TypeVar("Result")


class LocalAuthenticator(Authenticator):
    """Accounts with a password, in a store that the hub and `tf29hub user` share.

    Closed by default: only active accounts come in, and only an admin makes or approves one. `allowed_users`
    and `blocked_users` narrow that further; `allow_all` and `allow_existing_users` open nothing.
    """

    accounts = Unicode(config=True, help="The store of accounts: the path of an SQLite file, or a database URL.")
    sign_up = Enum(
        ["approval", "closed"],
        default_value="approval",
        config=True,
        help="'approval': anyone may ask for an account and an admin approves. 'closed': admins make them.",
    )

    @default("auth_refresh_age")
    def _default_auth_refresh_age(self) -> int:
        return 60  # seconds; a look into a local file, and how long a disabled account still works

    @default("auth_refresh_strict")  # of JupyterHub 6.1; before, it was always so
    def _default_auth_refresh_strict(self) -> bool:
        return True  # a stale account of ours is a disabled one: its tokens end, too

    @default("any_allow_config")
    def _default_any_allow_config(self) -> bool:
        return True  # the accounts are the allow list

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.store = AccountStore(self.accounts)
        self.throttle = Throttle()
        self.waiting_count = self.store.count_waiting()
        self._hashing = ThreadPoolExecutor(HASHING_THREADS, thread_name_prefix="accounts-hash")
        self._looking = ThreadPoolExecutor(2, thread_name_prefix="accounts-look")
        self._hashes_under_way = 0

    # what JupyterHub asks for at start

    def check_allow_config(self) -> None:
        """Say at start that nobody can come in, where that is so."""
        super().check_allow_config()
        if not any(account.status == Status.ACTIVE for account in self.store.accounts()):
            self.log.warning("There is no local account: nobody can sign in. Make one: tf29hub user add NAME")

    def get_handlers(self, app: Any) -> list[tuple[str, type]]:
        """The pages of sign-in, and what all pages need to know about it."""
        app.template_vars.update(  # in place: by now the hub's web application holds the same dictionary
            in_chinese=lambda user: in_language("zh"),
            accounts_waiting=lambda user: self.waiting_count,
            local_accounts=True,
        )
        return [
            ("/login", handlers.SignInPage),
            ("/signup", handlers.SignUpPage),
            ("/accounts", handlers.AccountsPage),
            ("/password", handlers.PasswordPage),
        ]

    # names

    def normalize_username(self, username: str) -> str:
        """NFKC and lower case, then `username_map`."""
        return super().normalize_username(normalize_name(username))

    def validate_username(self, username: str) -> bool:
        """JupyterHub's rules and those of `names`."""
        return super().validate_username(username) and is_legal_name(username)

    # signing in

    async def authenticate(self, handler: Any, data: dict[str, Any]) -> dict[str, Any] | None:
        """The user who may come in, or None for a wrong name or password.

        Raises HTTPError with a sentence for the person: after a right password, where the account is disabled
        or waits for approval; before the password is looked at, where there were too many tries.
        """
        _ = translator(handler.request.headers.get("Accept-Language"))
        name, password, address = data.get("username"), data.get("password"), handler.request.remote_ip
        if not isinstance(name, str) or not isinstance(password, str):
            raise web.HTTPError(400, _("A name and a password are needed."))
        name = self.normalize_username(name)
        outcome, account = await self.check_password(name, password, address, _)
        if outcome is Outcome.DISABLED:
            self.log.warning("Sign-in refused from %s: the account %s is disabled", address, name)
            raise web.HTTPError(403, _("This account is disabled. Ask an admin of this hub."))
        if outcome is Outcome.WAITING:
            self.log.info("Sign-in refused from %s: %s waits for approval", address, name)
            raise web.HTTPError(
                403,
                _("Your request for this account is waiting for an admin's approval. Try again later."),
            )
        if account is None:
            self.log.warning("Wrong name or password from %s", address)
            return None
        await self._prepare(handler, account)
        handler.password_is_temporary = account.temporary_password
        return {"name": account.name, "admin": True if account.make_admin else None}

    async def check_password(
        self, name: str, password: str, address: str, _: Translate
    ) -> tuple[Outcome, Account | None]:
        """What name and password amount to, at the pace of the throttle. Raises HTTPError 429 or 503."""
        wait_s = self.throttle.attempt(name, address)
        if wait_s:
            self.log.warning("Sign-in from %s put off for %.0f s: too many wrong passwords", address, wait_s)
            sentence = _("Too many wrong passwords for this name. Try again in {seconds} seconds.")
            raise web.HTTPError(429, sentence.format(seconds=int(wait_s) + 1))
        outcome, account = await self.hash(_, self.store.verify, name, password)
        if outcome is not Outcome.WRONG:
            self.throttle.succeeded(name, address)
        return outcome, account

    async def _prepare(self, handler: Any, account: Account) -> None:
        """What the account's flags ask the hub to do at sign-in."""
        if account.end_sessions:
            user = handler.find_user(account.name)
            if user is not None:
                end_sessions(handler.db, user.orm_user)
            await self.look(self.store.sessions_ended, account.name)
        if account.make_admin:
            await self.look(self.store.made_admin, account.name)

    def check_allowed(self, username: str, authentication: Any = None) -> bool:
        """An active account is allowed; `allowed_users`, where it is set, says which of them."""
        return not self.allowed_users or username in self.allowed_users

    async def refresh_user(self, user: Any, handler: Any = None) -> bool:
        """Whether the user's account is still active; asked every `auth_refresh_age` seconds."""
        by_token = handler is None or bool(getattr(handler, "_token_authenticated", False))
        if handler is not None and not by_token:
            handler._token_authenticated = False  # JupyterHub 6.1.1 reads it after a "no" without having set it
        try:
            if user.admin:  # `tf29hub user` approves, too
                self.waiting_count = await self.look(self.store.count_waiting)
            account = await self.look(partial(self.store.get, also_removed=True), user.name)
            if account is None:
                # made on the Admin page: has no password, so no browser either; a token is an admin's doing
                return by_token
            if account.end_sessions and handler is not None:
                end_sessions(handler.db, user.orm_user)
                await self.look(self.store.sessions_ended, user.name)
                self.log.info("Signed out everywhere: %s", user.name)
                return by_token and account.status == Status.ACTIVE
            return account.status == Status.ACTIVE
        except SQLAlchemyError:
            self.log.exception("The accounts cannot be read: %s stays signed in", user.name)
            return True

    # what admins do elsewhere

    def add_user(self, user: Any) -> None:
        """A user was added to the hub. One added on the Admin page gets a password on the Accounts page."""
        if user.name != self.normalize_username(user.name):
            raise ValueError(f"{user.name!r} is not a normal name: {self.normalize_username(user.name)!r} is")
        check_name(user.name)
        super().add_user(user)

    async def delete_user(self, user: Any) -> None:
        """A user was deleted from the hub: so is the account, or they would be back at the next sign-in."""
        super().delete_user(user)
        if await self.look(self.store.get, user.name):
            await self.look(self.store.remove, user.name)

    # threads

    async def hash(self, _: Translate, function: Callable[..., Result], *args: Any) -> Result:
        """Run a function of the store that hashes passwords. Raises HTTPError 503 where too many wait."""
        if self._hashes_under_way >= MAX_HASHES_UNDER_WAY:
            self.log.warning("Sign-in: %d passwords wait to be checked", self._hashes_under_way)
            raise web.HTTPError(503, _("Too many people are signing in just now. Try again in a moment."))
        self._hashes_under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._hashing, function, *args)
        except SQLAlchemyError as error:
            self.log.exception("The accounts cannot be used")
            sentence = _("Sign-in does not work at the moment. Please tell an admin.")
            raise web.HTTPError(503, sentence) from error
        finally:
            self._hashes_under_way -= 1

    async def look(self, function: Callable[..., Result], *args: Any) -> Result:
        """Run a quick function of the store; not in the line of those who sign in."""
        return await asyncio.get_running_loop().run_in_executor(self._looking, function, *args)
