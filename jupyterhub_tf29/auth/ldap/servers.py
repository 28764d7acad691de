"""The servers of a directory: one that answers is found, over TLS, in bounded time.

What can be asked of them is in `directory`. Everything here blocks, and raises DirectoryDown where no server is of
any use; its text is for the admin.
"""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException, LDAPSASLPrepError
from ldap3.core.results import RESULT_INVALID_CREDENTIALS, RESULT_SUCCESS
from ldap3.protocol.sasl.sasl import validate_simple_password

from ..ldap_settings import LdapMethod

LAST_FOR_S = 60.0
"""A server that failed is asked after the others for so long."""
PERSONS_OWN_FAULT = frozenset({RESULT_INVALID_CREDENTIALS, 19, 34, 48, 50, 53})
"""Results of a bind that say something of the person: wrong, not allowed now (password policies), no such form of
name, no password there, unwilling. Anything else is the server's own trouble."""

Result = TypeVar("Result")


class DirectoryDown(Exception):
    """No server of the directory can be used just now; the text says why, for each."""


class Servers:
    """The servers of one method in hub.yaml."""

    def __init__(self, settings: LdapMethod, tls: dict[str, Any] | None = None) -> None:
        """`tls` goes to ldap3's `Tls`, over what the settings say."""
        self._settings = settings
        self._tls = {**_tls(settings), **(tls or {})}
        self._failed: dict[str, float] = {}

    def ask(self, work: Callable[[Session], Result]) -> Result:
        """What `work` gives on the first server on which it comes to an end. Raises DirectoryDown."""
        problems = []
        for url in sorted(self._settings.servers, key=self._failed_lately):  # stable: hub.yaml's order
            session = Session(self._server(url), self._starts_tls(url), self._settings.timeout)
            try:
                result = work(session)
            except (LDAPException, OSError, DirectoryDown) as error:
                self._failed[url] = time.monotonic()
                problems.append(f"{url}: {_cause(error)}")
            else:
                self._failed.pop(url, None)
                return result
            finally:
                session.close()
        raise DirectoryDown("; ".join(problems))

    def _failed_lately(self, url: str) -> bool:
        return url in self._failed and time.monotonic() - self._failed[url] < LAST_FOR_S

    def _starts_tls(self, url: str) -> bool:
        return url.startswith("ldap:") and self._settings.tls == "required"

    def _server(self, url: str) -> ldap3.Server:
        parts, secure = urlsplit(url), url.startswith("ldaps:")
        host = parts.hostname or ""
        return ldap3.Server(
            host,
            port=parts.port or (636 if secure else 389),
            use_ssl=secure,
            tls=ldap3.Tls(**{"sni": None if _is_address(host) else host, **self._tls}),
            get_info=ldap3.NONE,
            connect_timeout=self._settings.timeout,
        )


class Session:
    """Connections to one server, closed together."""

    def __init__(self, server: ldap3.Server, starts_tls: bool, timeout_s: float) -> None:
        self._server, self._starts_tls, self._timeout_s = server, starts_tls, timeout_s
        self._open: list[ldap3.Connection] = []

    def bind(self, dn: str, password: str) -> Connection | None:
        """A connection as `dn` (anonymous without one); None where the password is not theirs or they may not.

        An empty password is never right: to LDAP it is no password at all, and every name would do.
        """
        if dn and not password:
            return None
        connection = ldap3.Connection(
            self._server,
            user=dn or None,
            password=_prepared(password) if dn else None,
            authentication=ldap3.SIMPLE if dn else ldap3.ANONYMOUS,
            receive_timeout=self._timeout_s,
            auto_referrals=False,  # it would bind elsewhere with this password
            check_names=False,  # names come from the server, or are escaped here
            read_only=True,
        )
        self._open.append(connection)
        connection.open(read_server_info=False)
        if self._starts_tls and not connection.start_tls(read_server_info=False):
            raise DirectoryDown(f"StartTLS: {connection.result['description']} {connection.result['message']}")
        if connection.bind(read_server_info=False):
            return Connection(connection, self._timeout_s)
        if connection.result["result"] in PERSONS_OWN_FAULT:
            return None
        raise DirectoryDown(f"bind: {connection.result['description']} {connection.result['message']}")

    def close(self) -> None:
        """Close what was opened; never raises."""
        for connection in self._open:
            try:
                connection.unbind()
            except (LDAPException, OSError):
                connection.strategy.close()
        self._open = []


class Connection:
    """A bound connection: searches."""

    def __init__(self, connection: ldap3.Connection, timeout_s: float) -> None:
        self._connection, self._timeout_s = connection, timeout_s

    def search(
        self, base: str, condition: str, attributes: list[str], *, whole_tree: bool, most: int
    ) -> list[tuple[str, dict[str, list[bytes]]]]:
        """Up to `most` entries that fit the filter `condition`: (DN, attributes by their names in lower case)."""
        done = self._connection.search(
            base,
            condition,
            search_scope=ldap3.SUBTREE if whole_tree else ldap3.BASE,
            attributes=attributes,
            size_limit=most,
            time_limit=max(1, int(self._timeout_s)),
        )
        result = self._connection.result
        if not done and result["result"] not in (RESULT_SUCCESS, *_NOTHING_MORE):
            raise DirectoryDown(f"search below {base}: {result['description']} {result['message']}")
        entries = [entry for entry in self._connection.response or [] if entry["type"] == "searchResEntry"]
        return [
            (entry["dn"], {name.lower(): values for name, values in entry["raw_attributes"].items()})
            for entry in entries[:most]
        ]


_NOTHING_MORE = (4, 32, 34)
"""More than asked for; no such base; a base that is no name."""


def _tls(settings: LdapMethod) -> dict[str, Any]:
    check = ssl.CERT_REQUIRED if settings.verify_certificates else ssl.CERT_NONE
    authorities = settings.ca_file or ssl.get_default_verify_paths().cafile
    return {"validate": check, "ca_certs_file": authorities, "version": ssl.PROTOCOL_TLS_CLIENT}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _prepared(password: str) -> bytes:
    """SASLprep, as RFC 4513 wants it; what has no such form is sent as it was typed: an answer, not an error."""
    try:
        return validate_simple_password(password)
    except LDAPSASLPrepError:
        return password.encode("utf-8", errors="replace")


def _cause(error: BaseException) -> str:
    return str(error) or type(error).__name__
