"""The front of sign-in: JupyterHub's one authenticator, behind which the methods of hub.yaml stand.

Why not jupyterhub-multiauthenticator 0.4: it has no `refresh_user`, `add_user`, `delete_user` or
`check_allow_config` of its own, so what a method does there is lost; its page has buttons, but no form; and users
would get another name on the day when a second method is added.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from jupyterhub.auth import Authenticator
from jupyterhub.utils import url_path_join
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import object_session
from tornado.ioloop import PeriodicCallback
from traitlets import Any as AnyTrait
from traitlets import Float, Unicode, default

from ..audit.hub import watch
from ..front.handlers import handlers_of_hub
from ..i18n import in_language, translator
from .groups import no_rosters, source_of, united_groups
from .identity import IdentityStore, NameTaken
from .kinds import authenticator_of
from .method import Method
from .method_settings import SEPARATOR
from .names import check_name, is_legal_name, normalize_name
from .refused import SignInRefused
from .rosters import apply_rosters, ensure_roles
from .settings import SignIn as SignInSettings
from .signin_page import bound, page_of
from .signout import SignOutPage
from .sweep import Sweep
from .throttle import Throttle
from .trail import record


class SignIn(Authenticator):
    """Holds the methods; each user is the business of the one that they came by."""

    accounts = Unicode(config=True, help="The store of accounts and names: an SQLite file, or a database URL.")
    sign_in = AnyTrait(config=True, help="`sign_in` of hub.yaml.")
    paths = AnyTrait(config=True, help="The folders of this installation.")
    hub_settings = AnyTrait(config=True, help="All of hub.yaml.")
    sweep_every = Float(30.0, config=True, help="Seconds between two looks at those whose servers run.")
    beside = AnyTrait((), config=True, help="More to do now and then: pairs of a coroutine function and seconds.")
    rosters = AnyTrait(
        no_rosters, config=True, help="Who takes and teaches which course: `groups.RosterProvider`."
    )

    rosters_every = Float(30.0, config=True, help="Seconds until a changed roster has reached all users.")

    @default("manage_groups")
    def _default_manage_groups(self) -> bool:
        return True

    @default("enable_auth_state")
    def _default_enable_auth_state(self) -> bool:
        return any(not method.form for method in self.methods)  # what it takes to ask a provider again

    @default("auth_refresh_age")
    def _default_auth_refresh_age(self) -> int:
        return min((method.auth_refresh_age for method in self.methods if method.auth_refresh_age), default=300)

    @default("auth_refresh_strict")  # of JupyterHub 6.1; before, it was always so
    def _default_auth_refresh_strict(self) -> bool:
        return True  # who is out is out for programs with a token, too

    @default("any_allow_config")
    def _default_any_allow_config(self) -> bool:
        return True  # each method says whether it lets anybody in

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        settings = self.sign_in or SignInSettings()
        kept = self.paths.throttle if self.paths is not None else None
        self.throttle = Throttle(path=kept, settings=self.hub_settings.lockout if self.hub_settings else None)
        self.identities = IdentityStore(self.accounts)
        self._looking = ThreadPoolExecutor(2, thread_name_prefix="sign-in-look")
        self._asked: dict[str, float] = {}
        self._told: set[str] = set()
        self._going_on: list[PeriodicCallback] = []
        self._prefixes = {method.name: settings.prefix(method) for method in settings.all_methods}
        self.methods: list[Method] = [
            authenticator_of(method.type)(parent=self, front=self, method=method)
            for method in settings.all_methods
        ]
        self.local = next((method for method in self.methods if method.name == "local"), None)
        if self.local is not None:  # they are users from the start: nobody else gets their names by asking
            names = self.local.method.admins if self.local.method else []
            named: set[str] = self.admin_users  # type: ignore[has-type]
            self.admin_users = named | {self.local.hub_name(name) for name in names}

    # names

    def prefix_of(self, method: Method) -> str:
        """What the names of its users begin with: `github:`, or nothing."""
        return self._prefixes[method.name]

    def prefix_in(self, name: str) -> str:
        """The part of a user's name that is a prefix: `github:` of `github:octocat`."""
        before, separator, _ = name.partition(SEPARATOR)
        return before + separator if separator else ""

    def normalize_username(self, username: str) -> str:
        """NFKC and lower case, then `username_map`."""
        return super().normalize_username(normalize_name(username))

    def validate_username(self, username: str) -> bool:
        """JupyterHub's rules, and those of `names` behind the prefix."""
        own_name = self._without_prefix(username)
        return super().validate_username(username) and is_legal_name(own_name, also=self._also_in_names)

    @property
    def _also_in_names(self) -> str:
        return max((method.also_in_names for method in self.methods), key=len, default="")

    def _without_prefix(self, name: str) -> str:
        return name.removeprefix(self.prefix_in(name))

    # at start

    def check_allow_config(self) -> None:
        """Each method says whether it lets anybody in."""
        for method in self.methods:
            method.check_allow_config()

    def get_handlers(self, app: Any) -> list[tuple[Any, ...]]:
        """The sign-in page, each method's pages below it, those of local accounts; what all templates know.

        The Hub's own follow, all telling the audit trail who acts.
        """
        app.template_vars.update(  # in place: by now the hub's web application holds the same dictionary
            in_chinese=lambda user: in_language("zh"),
            accounts_waiting=lambda user: getattr(self.local, "waiting_count", 0),
            local_accounts=self.local is not None,
            has_local_account=lambda user: self.local is not None and user and self.local.is_of_this(user.name),
        )
        first = next((method for method in self.methods if method.form and not method.hidden), None)
        routes: list[tuple[str, type]] = [("/login", page_of(first))]
        for method in self.methods:
            if method.form:
                routes.append((f"/login/{method.name}", page_of(method)))
                routes += method.own_pages()
            else:
                routes += [
                    (url_path_join("/login", method.name, path), bound(handler, method))
                    for path, handler in method.get_handlers(app)
                ]
        self._begin(app)
        return handlers_of_hub([*routes, ("/logout", SignOutPage)])

    def _begin(self, app: Any) -> None:
        """What goes on beside requests, from now on."""
        watch(app)
        stop = self.hub_settings is None or self.hub_settings.sessions.disabled_servers == "stop"
        sweep = Sweep(app, self, stop_servers=stop)
        going_on = [(sweep, self.sweep_every), *self.beside]
        if self.rosters is not no_rosters:
            going_on.append((lambda: self.follow_rosters(app.db), self.rosters_every))
        for work, every_s in going_on:
            callback = PeriodicCallback(work, every_s * 1000)
            callback.start()
            self._going_on.append(callback)

    def login_address(self, method: Method, base_url: str) -> str:
        """Where people begin to sign in by a method."""
        below = url_path_join(base_url, "login", method.name)
        return below if method.form else method.login_url(below)

    def follow_rosters(self, db: Any) -> None:
        """Put all users into the groups that the rosters of now say."""
        try:
            moved = apply_rosters(db, self.rosters)
        except Exception:
            db.rollback()
            self.log.exception("The rosters cannot be followed")
        else:
            if moved:
                self.log.info("By the rosters, users with other courses than before: %s", ", ".join(moved))

    # coming in

    async def admit(self, method: Method, handler: Any, model: dict[str, Any]) -> dict[str, Any]:
        """A person whom `method` lets in, as a user of the hub. Raises SignInRefused where they are none."""
        own_name, subject = model["name"], model.pop("subject", None)
        wanted = method.hub_name(own_name)
        known = handler.find_user(wanted) is not None
        claim = partial(self.identities.claim, wanted, method.name, subject or own_name, known=known)
        _ = translator(handler.request.headers.get("Accept-Language"))
        try:
            name = await self.look(claim)
        except NameTaken as error:
            self.log.warning("Sign-in by %s refused: %s. See tf29hub identity.", method.name, error)
            sentence = _("The name {name} belongs to somebody else here. Please tell an admin.")
            raise SignInRefused(403, sentence.format(name=wanted), cause="other-identity") from None
        if name in self.blocked_users:
            self.log.warning("Sign-in by %s refused: %s is in blocked_users", method.name, name)
            raise SignInRefused(403, _("You may not use this hub. Ask an admin."), cause="not-allowed")
        user = handler.find_user(name)
        model["name"] = name
        if name in self.admin_users:
            model["admin"] = True
        self._groups_into(model, method, user, handler.db, model.get("groups") or [])
        self._asked[name] = time.monotonic()
        self._told.discard(name)
        return await self.run_post_auth_hook(handler, model)

    async def refresh_user(self, user: Any, handler: Any = None) -> dict[str, Any] | bool:
        """Whether the user may stay, by the method that they came by; their groups, where these changed."""
        by_token = handler is None or bool(getattr(handler, "_token_authenticated", False))
        if handler is not None and not by_token:
            handler._token_authenticated = False  # JupyterHub 6.1.1 reads it after a "no" without having set it
        try:
            owner = await self.look(self.identities.method_of, user.name)
        except SQLAlchemyError:
            self.log.exception("Who came by which method cannot be read: %s stays signed in", user.name)
            return True
        method = self._method_of(user.name, owner)
        if method is None and owner is None:
            return by_token  # made on the Admin page, and has never signed in: a token is an admin's doing
        model = method is not None and await self._look_again(method, user, handler)
        if method is None or not model:
            self._tell_end(user.name, owner)
            return False
        changes: dict[str, Any] = model if isinstance(model, dict) else {}
        changes.pop("subject", None)
        changes["name"] = user.name
        if user.name in self.admin_users:
            changes["admin"] = True
        db = handler.db if handler is not None else object_session(getattr(user, "orm_user", user))
        self._groups_into(changes, method, user, db, changes.get("groups"))
        same = set(changes.get("groups") or []) == _groups_of(user) and changes.get("admin") in (None, user.admin)
        return True if same and "auth_state" not in changes else changes

    async def sign_out_address(self, user: Any) -> str:
        """Where `user`, who has signed out of the hub, goes on to: the method's own sign-out, or nowhere ("")."""
        try:
            method = self._method_of(user.name, await self.look(self.identities.method_of, user.name))
        except SQLAlchemyError:
            return ""
        return await method.sign_out_address() if method is not None else ""

    async def _look_again(self, method: Method, user: Any, handler: Any) -> dict[str, Any] | bool:
        """The method's answer, asked no more often than it wants to be: another may be quicker."""
        if self._asked_lately(user.name, method):
            return True
        model = await method.look_again(user, handler)
        if model:
            self._asked[user.name] = time.monotonic()
        return model

    def _asked_lately(self, name: str, method: Method) -> bool:
        return time.monotonic() - self._asked.get(name, float("-inf")) < method.auth_refresh_age * 0.9

    def _method_of(self, name: str, owner: str | None) -> Method | None:
        if owner is not None:
            return next((method for method in self.methods if method.name == owner), None)
        return self.local if self.local is not None and self.local.is_of_this(name) else None

    def _groups_into(self, model: dict[str, Any], method: Method, user: Any, db: Any, directory: Any) -> None:
        """All groups of the user into `model`, and the roles of what they teach."""
        present = _groups_of(user)
        groups = united_groups(model["name"], method.name, directory, present, self.rosters)
        directories = frozenset(group for group in groups if source_of(group) == method.name)
        ensure_roles(db, self.rosters(model["name"], directories))
        model["groups"] = groups

    def _tell_end(self, name: str, owner: str | None) -> None:
        if name not in self._told:
            self._told.add(name)
            self.log.warning("%s may not stay signed in (came by %s)", name, owner or "no method yet")
            record("sign-in-ended", name=name, method=owner or "", reason="not-allowed")

    # what admins do elsewhere

    def add_user(self, user: Any) -> None:
        """A user was added to the hub. Raises ValueError for a name that nobody could have."""
        if user.name != self.normalize_username(user.name):
            raise ValueError(f"{user.name!r} is not a normal name: {self.normalize_username(user.name)!r} is")
        check_name(self._without_prefix(user.name), also=self._also_in_names)
        super().add_user(user)
        if self.local is not None and self.local.is_of_this(user.name):
            self.local.note_user(self.local.own_name(user.name))

    async def delete_user(self, user: Any) -> None:
        """A user was deleted from the hub: so is a local account. Whose the name is stays known."""
        super().delete_user(user)
        owner = await self.look(self.identities.method_of, user.name)
        if self.local is not None and self._method_of(user.name, owner) is self.local:
            await self.local.delete_user(user)

    async def look(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a quick function of a store in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._looking, function, *args)


def _groups_of(user: Any) -> set[str]:
    return {group.name for group in getattr(user, "groups", None) or []}
