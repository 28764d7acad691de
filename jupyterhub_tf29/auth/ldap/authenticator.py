"""Sign-in with a directory, as JupyterHub asks for it.

An LDAPAuthenticator of jupyterhub-ldapauthenticator, whose `tls_kwargs` hold here, too. Its own way in is not
used: version 2.0.2 waits for the directory on the hub's event loop, without a time-out, asks one server, checks no
certificate unless told to, writes to the log whatever was typed as a name (people type passwords there), and
neither maps groups nor looks again at those who are signed in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from ldap3.core.exceptions import LDAPInvalidDnError
from ldap3.utils.dn import parse_dn
from ldapauthenticator import LDAPAuthenticator
from traitlets import default

from ...i18n import N_, Translate, translator
from ...secretfiles import read_given_secret
from ...settings import Paths
from ..ldap_settings import LdapMethod
from ..method import Method
from ..names import FOREIGN, normalize_name
from ..refused import SignInRefused
from .directory import Directory, Person, Unusable, Wrong
from .servers import DirectoryDown

THREADS = 16
"""They wait for the network: many cost little."""
MAX_UNDER_WAY = 128
PATIENCE = 4
"""Times `timeout` that a person waits at most, whatever the servers do."""
SPARED_FOR_S = 60.0
"""After no answer nobody who is signed in waits for another try for so long; who signs in does."""
MAX_TYPED = 256

DOWN = N_("{label}: the directory does not answer at the moment. Try again in a few minutes.")

Result = TypeVar("Result")


class LdapAuthenticator(Method, LDAPAuthenticator):
    """Bind or search-and-bind, at the first server that answers; groups, nested ones, too."""

    form = True
    also_in_names = FOREIGN
    method: LdapMethod

    @default("auth_refresh_age")
    def _default_auth_refresh_age(self) -> int:
        return int(self.method.refresh)

    def __init__(self, *, paths: Paths | None = None, **kwargs: Any) -> None:
        """`paths` is where the secrets are; default: the front's. Raises SecretError."""
        super().__init__(**kwargs)
        password = ""
        if self.method.search_dn:
            password = read_given_secret(paths or self.front.paths, f"{self.name}-bind-password")
        self.directory = Directory(self.method, password, dict(self.tls_kwargs))
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"ldap-{self.name}")
        self._under_way: set[Future[Any]] = set()
        self._last_silence = float("-inf")

    def check_allow_config(self) -> None:
        """What an admin should know at start."""
        super().check_allow_config()
        if not self.directory.can_look_again:
            self.log.warning(
                "sign_in: %s has no search_dn: who leaves a group is noticed at their next sign-in only",
                self.name,
            )
        if self.method.tls == "none":
            self.log.warning("sign_in: %s sends passwords over the network unencrypted (tls: none)", self.name)
        elif not self.method.verify_certificates:
            self.log.warning("sign_in: %s checks no certificate: anybody can pass for the directory", self.name)

    # coming in, and staying in

    async def authenticate(self, handler: Any, data: dict[str, Any]) -> dict[str, Any] | None:
        """The person whom the directory knows by that name and password; None for anybody else.

        Raises SignInRefused where the directory does not answer, the account is locked, or tries were too many.
        """
        _, address = translator(handler.request.headers.get("Accept-Language")), handler.request.remote_ip
        typed, password = data.get("username"), data.get("password")
        if not isinstance(typed, str) or not isinstance(password, str):
            raise SignInRefused(400, _("A name and a password are needed."), cause="invalid-name")
        account = normalize_name(typed.strip()[:MAX_TYPED])
        self.pace(account, address, _)
        if not _can_be_asked(typed, password):
            return None
        found = await self._ask(_, self.directory.sign_in, typed.strip(), password)
        if isinstance(found, Wrong):
            handler.refused_for = "locked" if found.locked else "wrong"
            self.log.warning(
                "%s: %s, from %s", self.name, "locked" if found.locked else "wrong name or password", address
            )
            return None
        self.was_right(account, address)
        if found.locked:
            self.log.warning("%s: %s is locked in the directory; refused, from %s", self.name, found.dn, address)
            raise SignInRefused(403, _("This account is locked in the directory."), cause="locked")
        return self.model_of(found)

    async def refresh_user(self, user: Any, handler: Any = None) -> dict[str, Any] | bool:
        """The person as they are now; out where they are gone or locked, in where nobody answers."""
        if not self.directory.can_look_again:
            return True
        if time.monotonic() - self._last_silence < SPARED_FOR_S:
            self.log.debug("%s gave no answer just now, %s stays signed in", self.name, user.name)
            return True
        subject = await self.front.look(self.front.identities.subject_of, user.name)
        look_up = self.directory.look_up
        try:
            found = await self._in_time(look_up, subject or "", self.own_name(user.name))
        except (DirectoryDown, asyncio.TimeoutError, _Busy) as error:
            self.log.error("%s does not answer, %s stays signed in: %s", self.name, user.name, _said(error))
            return True
        except Unusable as error:
            self.log.error("%s: %s is signed out: %s", self.name, user.name, error)
            return False
        if found is None or found.locked:
            why = "not in the directory any more" if found is None else "locked in the directory"
            self.log.warning("%s: %s is %s", self.name, user.name, why)
            return False
        return self.model_of(found)

    def model_of(self, person: Person) -> dict[str, Any]:
        """What JupyterHub's chain is told of a person."""
        return {
            "name": person.name,
            "subject": person.subject,
            "groups": sorted({group.name for group in person.groups}),
            "group_dns": [group.dn for group in person.groups],
        }

    # who may come in: groups by name, or by DN where two have the same name

    def check_allowed(self, username: str, authentication: Any = None) -> Any:
        """As for every method; a group may be named by its DN, too."""
        return super().check_allowed(username, _with_dns(authentication))

    def is_admin(self, handler: Any, authentication: dict[str, Any]) -> bool | None:
        """As for every method; a group may be named by its DN, too."""
        return super().is_admin(handler, _with_dns(authentication))

    def is_in_one_of(self, groups: Iterable[str], wanted: Iterable[str]) -> bool:
        """Directories do not tell upper case from lower."""
        return not {_normal(group) for group in groups}.isdisjoint(_normal(group) for group in wanted)

    # threads

    async def _ask(self, _: Translate, question: Callable[..., Result], *args: Any) -> Result:
        """The directory's answer; SignInRefused where there is none."""
        try:
            return await self._in_time(question, *args)
        except _Busy:
            self.log.error("%s: %d questions wait for the directory", self.name, len(self._under_way))
            sentence = _("Too many people are signing in just now. Try again in a moment.")
            raise SignInRefused(503, sentence, cause="busy") from None
        except (DirectoryDown, asyncio.TimeoutError) as error:
            self.log.error("%s does not answer: %s", self.name, _said(error))
            raise SignInRefused(503, _(DOWN).format(label=_(self.label)), cause="directory-down") from None
        except Unusable as error:
            self.log.error("%s: %s", self.name, error)
            sentence = _("The directory's entry of this account cannot be used. Please tell an admin.")
            raise SignInRefused(403, sentence, cause="error") from None

    async def _in_time(self, question: Callable[..., Result], *args: Any) -> Result:
        """In a thread, and not for longer than a person waits; what has not had its turn by then is dropped."""
        if len(self._under_way) >= MAX_UNDER_WAY:
            raise _Busy
        asked = self._threads.submit(question, *args)
        self._under_way.add(asked)
        asked.add_done_callback(self._under_way.discard)
        self.log.debug("%s is asked (%d questions under way)", self.name, len(self._under_way))
        try:
            answer = await asyncio.wait_for(asyncio.wrap_future(asked), PATIENCE * self.method.timeout)
        except (DirectoryDown, asyncio.TimeoutError):
            self._last_silence = time.monotonic()
            raise
        self._last_silence = float("-inf")
        return answer


class _Busy(Exception):
    """More questions than threads will answer soon."""


def _said(error: BaseException) -> str:
    return str(error) or "no answer in time"


def _can_be_asked(typed: str, password: str) -> bool:
    """What no directory can be asked: nothing, far too much, halves of characters, zeros."""
    texts = (typed, password)
    fits = 0 < len(typed.strip()) <= MAX_TYPED and bool(password.strip())
    return fits and not any(
        "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text) for text in texts
    )


def _with_dns(authentication: Any) -> dict[str, Any]:
    model = authentication or {}
    return {**model, "groups": [*(model.get("groups") or []), *(model.get("group_dns") or [])]}


def _normal(group: str) -> str:
    """A name without its case; a DN without its case and the blanks between its parts."""
    try:
        parts = parse_dn(group, strip=True) if "=" in group else []
    except LDAPInvalidDnError:
        parts = []
    plain = "".join(f"{kind}={value}{separator}" for kind, value, separator in parts) or group
    return normalize_name(plain)
