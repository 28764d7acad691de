"""Sign-in with accounts of this hub's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from traitlets import Any as AnyTrait
from traitlets import Enum, Unicode, default

from ..i18n import Translate, translator
from . import handlers
from .accounts import Account, AccountStore, Outcome, Status
from .method import Method
from .passwords import ARGON2
from .refused import SignInRefused
from .sessions import end_sessions

HASHING_THREADS = 2
"""Each hash fills a core for about 0.1 s; more of them at once only make the hub slow."""
MAX_HASHES_UNDER_WAY = 64
"""Running and waiting: at two threads some 4 s, after which a person would try again anyway."""

Result = TypeVar("Result")


class LocalAuthenticator(Method):
    """Accounts with a password, in a store that the hub and `tf29hub user` share.

    Closed by default: only active accounts come in, and only an admin makes or approves one. `allowed_users`
    and `blocked_users` narrow that further; `allow_all` and `allow_existing_users` open nothing.
    """

    form = True

    accounts = Unicode(config=True, help="The store of accounts: the path of an SQLite file, or a database URL.")
    sign_up = Enum(
        ["approval", "closed"],
        default_value="approval",
        config=True,
        help="'approval': anyone may ask for an account and an admin approves. 'closed': admins make them.",
    )

    hasher = AnyTrait(ARGON2)
    """What passwords are hashed with; only tests choose something cheaper."""

    @property
    def local(self) -> LocalAuthenticator:
        """What the pages of local accounts ask the hub's authenticator for: this, where it is alone."""
        return self

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
        self.store = AccountStore(self.accounts, hasher=self.hasher)
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

    def own_pages(self) -> list[tuple[str, type]]:
        """The pages of local accounts."""
        return [
            ("/signup", handlers.SignUpPage),
            ("/accounts", handlers.AccountsPage),
            ("/password", handlers.PasswordPage),
        ]

    # signing in

    async def authenticate(self, handler: Any, data: dict[str, Any]) -> dict[str, Any] | None:
        """The user who may come in, or None for a wrong name or password.

        Raises SignInRefused with a sentence for the person: after a right password, where the account is disabled
        or waits for approval; before the password is looked at, where there were too many tries.
        """
        _ = translator(handler.request.headers.get("Accept-Language"))
        name, password, address = data.get("username"), data.get("password"), handler.request.remote_ip
        if not isinstance(name, str) or not isinstance(password, str):
            raise SignInRefused(400, _("A name and a password are needed."), cause="invalid-name")
        name = self.normalize_username(name)
        outcome, account = await self.check_password(name, password, address, _)
        if outcome is Outcome.DISABLED:
            self.log.warning("Sign-in refused from %s: the account %s is disabled", address, name)
            sentence = _("This account is disabled. Ask an admin of this hub.")
            raise SignInRefused(403, sentence, cause="disabled")
        if outcome is Outcome.WAITING:
            self.log.info("Sign-in refused from %s: %s waits for approval", address, name)
            sentence = _("Your request for this account is waiting for an admin's approval. Try again later.")
            raise SignInRefused(403, sentence, cause="waiting")
        if account is None:
            self.log.warning("Wrong name or password from %s", address)
            return None
        await self._prepare(handler, account)
        handler.password_is_temporary = account.temporary_password
        return {"name": account.name, "admin": True if account.make_admin else None}

    async def check_password(
        self, name: str, password: str, address: str, _: Translate
    ) -> tuple[Outcome, Account | None]:
        """What name and password amount to, at the pace of the throttle. Raises SignInRefused 429 or 503."""
        self.pace(name, address, _)
        outcome, account = await self.hash(_, self.store.verify, name, password)
        if outcome is not Outcome.WRONG:
            self.was_right(name, address)
        return outcome, account

    async def _prepare(self, handler: Any, account: Account) -> None:
        """What the account's flags ask the hub to do at sign-in."""
        if account.end_sessions:
            user = handler.find_user(self.hub_name(account.name))
            if user is not None:
                end_sessions(handler.db, user.orm_user)
            await self.look(self.store.sessions_ended, account.name)
        if account.make_admin:
            await self.look(self.store.made_admin, account.name)

    def check_allowed(self, username: str, authentication: Any = None) -> bool:
        """An active account is allowed; `allowed_users`, where it is set, says which of them."""
        listed = {*self.allowed_users, *(self.method.allowed_users if self.method else [])}
        return not listed or username in {self.normalize_username(name) for name in listed}

    async def refresh_user(self, user: Any, handler: Any = None) -> bool:
        """Whether the user's account is still active; asked every `auth_refresh_age` seconds."""
        by_token = handler is None or bool(getattr(handler, "_token_authenticated", False))
        if handler is not None and not by_token:
            handler._token_authenticated = False  # JupyterHub 6.1.1 reads it after a "no" without having set it
        try:
            if user.admin:  # `tf29hub user` approves, too
                self.waiting_count = await self.look(self.store.count_waiting)
            account = await self.look(partial(self.store.get, also_removed=True), self.own_name(user.name))
            if account is None:
                # made on the Admin page: has no password, so no browser either; a token is an admin's doing
                return by_token
            if account.end_sessions and handler is not None:
                end_sessions(handler.db, user.orm_user)
                await self.look(self.store.sessions_ended, self.own_name(user.name))
                self.log.info("Signed out everywhere: %s", user.name)
                return by_token and account.status == Status.ACTIVE
            return account.status == Status.ACTIVE
        except SQLAlchemyError:
            self.log.exception("The accounts cannot be read: %s stays signed in", user.name)
            return True

    # what admins do elsewhere

    def note_user(self, name: str) -> None:
        """A user was added to the hub: as JupyterHub has it, they may come in where `allowed_users` is set."""
        if self.allow_existing_users:
            self.allowed_users.add(name)

    async def delete_user(self, user: Any) -> None:
        """A user was deleted from the hub: so is the account, or they would be back at the next sign-in."""
        super().delete_user(user)
        name = self.own_name(user.name)
        if await self.look(self.store.get, name):
            await self.look(self.store.remove, name)

    # threads

    async def hash(self, _: Translate, function: Callable[..., Result], *args: Any) -> Result:
        """Run a function of the store that hashes passwords. Raises SignInRefused 503 where too many wait."""
        if self._hashes_under_way >= MAX_HASHES_UNDER_WAY:
            self.log.warning("Sign-in: %d passwords wait to be checked", self._hashes_under_way)
            sentence = _("Too many people are signing in just now. Try again in a moment.")
            raise SignInRefused(503, sentence, cause="busy")
        self._hashes_under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._hashing, function, *args)
        except SQLAlchemyError as error:
            self.log.exception("The accounts cannot be used")
            sentence = _("Sign-in does not work at the moment. Please tell an admin.")
            raise SignInRefused(503, sentence, cause="error") from error
        finally:
            self._hashes_under_way -= 1

    async def look(self, function: Callable[..., Result], *args: Any) -> Result:
        """Run a quick function of the store; not in the line of those who sign in."""
        return await asyncio.get_running_loop().run_in_executor(self._looking, function, *args)
