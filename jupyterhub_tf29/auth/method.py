"""What every way in shares: who may come in, and the step from a person of the method to a user of the hub.

    class LdapAuthenticator(Method, LDAPAuthenticator): …

`Method` comes first. Below it everything speaks the method's own language: plain names, plain groups. JupyterHub's
chain (authenticate, normalise, validate, blocked, allowed, admin) runs there; then `front.admit` gives the person
their name and groups in the hub. Whatever comes of it is told to the audit trail here, and nowhere else.
"""

from __future__ import annotations

import inspect
import unicodedata
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from jupyterhub.auth import Authenticator
from tornado import web

from ..i18n import N_, Translate, translator
from .method_settings import MethodSettings
from .names import is_legal_name, normalize_name
from .refused import SignInRefused
from .throttle import Throttle
from .trail import record

_refused_for: ContextVar[str] = ContextVar("refused_for", default="")
"""Which step of JupyterHub's chain said no: it tells nobody."""

LABELS = {
    "local": N_("Local account"),
    "ldap": N_("University account"),
    "oidc": N_("Single sign-on"),
    "github": "GitHub",
    "gitlab": "GitLab",
    "google": "Google",
    "azuread": "Microsoft",
}
"""What the sign-in page calls a method that hub.yaml gives no label."""


class Method(Authenticator):
    """One way in. `front` holds all of them; without it this is an authenticator like any other."""

    form = False
    """Whether it takes a name and a password from our own page."""
    also_in_names = ""
    """Characters of its users' names beside those that `names` allows everybody."""
    hidden = False
    """Whether the sign-in page says nothing of it."""

    def __init__(self, *, front: Any = None, method: MethodSettings | None = None, **kwargs: Any) -> None:
        """`method` is its block in hub.yaml; `front` the `SignIn` that it is a part of."""
        self.front = front
        self.method = method
        super().__init__(**kwargs)
        self.throttle = front.throttle if front is not None else Throttle()

    @property
    def name(self) -> str:
        """What hub.yaml calls it."""
        return self.method.name if self.method else "local"

    @property
    def label(self) -> str:
        """What people call it: a key of the catalogue, where hub.yaml says nothing else."""
        if self.method is None:
            return LABELS["local"]
        return self.method.label or LABELS.get(self.method.type, self.method.name)

    def own_pages(self) -> list[tuple[str, type]]:
        """Pages beside the sign-in page, for a method with a form."""
        return []

    # names, here and in the hub

    def hub_name(self, own_name: str) -> str:
        """`octocat` → `github:octocat`."""
        return self.front.prefix_of(self) + own_name if self.front is not None else own_name

    def own_name(self, hub_name: str) -> str:
        """`github:octocat` → `octocat`."""
        return hub_name.removeprefix(self.front.prefix_of(self)) if self.front is not None else hub_name

    def is_of_this(self, hub_name: str) -> bool:
        """Whether that is the name of somebody who comes by this method."""
        return self.front is None or self.front.prefix_in(hub_name) == self.front.prefix_of(self)

    def normalize_username(self, username: str) -> str:
        """NFKC and lower case, then `username_map`."""
        return super().normalize_username(normalize_name(username))

    def validate_username(self, username: str) -> bool:
        """JupyterHub's rules and those of `names`."""
        legal = super().validate_username(username) and is_legal_name(username, also=self.also_in_names)
        if not legal:
            _refused_for.set("invalid-name")
        return legal

    # who may come in

    def check_allowed(self, username: str, authentication: Any = None) -> Any:
        """Whether a list in hub.yaml names them, or a group of theirs. Empty lists let nobody in."""
        if self.method is None:
            return super().check_allowed(username, authentication)
        groups = (authentication or {}).get("groups") or []
        allowed = (
            self.method.allow_all
            or self._is_listed(username, [*self.method.allowed_users, *self.method.admins])
            or self.is_in_one_of(groups, [*self.method.allowed_groups, *self.method.admin_groups])
        )
        if not allowed:
            _refused_for.set("not-allowed")
        return allowed

    def is_admin(self, handler: Any, authentication: dict[str, Any]) -> bool | None:
        """By name or group; where `admin_groups` are set they also take the right away. None: as it was."""
        if self.method is None:
            return super().is_admin(handler, authentication)
        if self._is_listed(authentication["name"], self.method.admins):
            return True
        if not self.method.admin_groups:
            return None
        return self.is_in_one_of(authentication.get("groups") or [], self.method.admin_groups)

    def is_in_one_of(self, groups: Iterable[str], wanted: Iterable[str]) -> bool:
        """Whether two lists of the method's groups have one in common."""
        return not {unicodedata.normalize("NFC", group) for group in groups}.isdisjoint(
            unicodedata.normalize("NFC", group) for group in wanted
        )

    def _is_listed(self, username: str, names: Iterable[str]) -> bool:
        return username in {self.normalize_username(name) for name in names}

    def check_allow_config(self) -> None:
        """Say at start that nobody can come in by this method, where that is so."""
        if self.method is None:
            super().check_allow_config()
        elif not self.method.lets_somebody_in:
            self.log.warning(
                "sign_in: NOBODY may come in by %s: its allow lists are empty (allowed_users, allowed_groups, …)",
                self.name,
            )

    # coming in

    async def get_authenticated_user(self, handler: Any, data: Any) -> dict[str, Any] | None:
        """JupyterHub's chain in the method's own names, then the hub's; told to the audit trail."""
        attempt = {"method": self.name, "address": handler.request.remote_ip, "name": typed_name(data)}
        _refused_for.set("")
        try:
            model = await super().get_authenticated_user(handler, data)
            if model is not None and self.front is not None:
                model = await self.front.admit(self, handler, model)
        except web.HTTPError as error:
            record("sign-in", outcome="failure", **attempt, reason=getattr(error, "cause", "error"))
            raise
        except Exception:
            record("sign-in", outcome="failure", **attempt, reason="error")
            self.log.exception("Sign-in by %s from %s failed", self.name, attempt["address"])
            _ = translator(handler.request.headers.get("Accept-Language"))
            sentence = _("Sign-in does not work at the moment. Please tell an admin.")
            raise SignInRefused(503, sentence, cause="error") from None
        if model is None:
            cause = _refused_for.get() or getattr(handler, "refused_for", "wrong")
            record("sign-in", outcome="failure", **attempt, reason=cause)
            self._tell_why(handler, cause)
            return None
        attempt["name"] = model["name"]
        record("sign-in", outcome="success", **attempt, reason="", admin=bool(model.get("admin")))
        return model

    def _tell_why(self, handler: Any, cause: str) -> None:
        """Whoever typed the right password may know why it does not help. Raises SignInRefused."""
        _ = translator(handler.request.headers.get("Accept-Language"))
        if self.form and cause == "not-allowed":
            raise SignInRefused(403, _("You may not use this hub. Ask an admin."), cause=cause)
        if self.form and cause == "invalid-name":
            sentence = _("Your name has characters in it that a name here cannot have. Please tell an admin.")
            raise SignInRefused(403, sentence, cause=cause)

    async def sign_out_address(self) -> str:
        """Where somebody who signed out here is led to sign out there, too; empty: nowhere."""
        return ""

    async def look_again(self, user: Any, handler: Any) -> dict[str, Any] | bool:
        """`refresh_user`, and whether they still may come in; a model has "admin" and the directory's "groups"."""
        model = await self.refresh_user(user, handler)
        if not isinstance(model, dict):
            return bool(model)
        name = model["name"] = self.normalize_username(model.get("name") or self.own_name(user.name))
        allowed = self.check_blocked_users(name, model) and self.check_allowed(name, model)
        if inspect.isawaitable(allowed):
            allowed = await allowed
        if not allowed:
            self.log.warning("%s is signed in by %s, but may not come in any more", user.name, self.name)
            return False
        if model.get("admin") is None:
            model["admin"] = self.is_admin(handler, model)
        return model

    def pace(self, account: str, address: str, _: Translate) -> None:
        """Count a try for `account` from `address`. Raises SignInRefused where there were too many."""
        wait_s = self.throttle.attempt(f"{self.name}:{account}", address)
        if wait_s:
            self.log.warning("Sign-in from %s put off for %.0f s: too many wrong passwords", address, wait_s)
            sentence = _("Too many wrong passwords. Try again in {seconds} seconds.")
            raise SignInRefused(429, sentence.format(seconds=int(wait_s) + 1), cause="throttled")

    def was_right(self, account: str, address: str) -> None:
        """The try that `pace` counted had the right password."""
        self.throttle.succeeded(f"{self.name}:{account}", address)

    async def run_post_auth_hook(self, handler: Any, auth_model: dict[str, Any]) -> dict[str, Any]:
        """The front runs the admin's hook, on the user of the hub."""
        return auth_model if self.front is not None else await super().run_post_auth_hook(handler, auth_model)

    # what JupyterHub asks of the authenticator of a page is the front's to answer

    def add_user(self, user: Any) -> Any:
        """A user was added to the hub."""
        return self.front.add_user(user) if self.front is not None else super().add_user(user)


def typed_name(data: Any) -> str:
    """What somebody typed into the field for the name; never anything else of the form."""
    name = data.get("username") if isinstance(data, dict) else None
    return name[:256] if isinstance(name, str) else ""
