"""Keeps secrets out of the Hub's log, at any level: a filter on the log's handlers.

JupyterHub 6.1 logs what signs a browser's forms, `session_id:cookie_id`, at INFO; `cookie_id` is what its cookie
holds. It logs the name of a failed sign-in, into whose field people type passwords, the parameters of OAuth,
and at DEBUG the bodies of requests that are no JSON. Debug logs get sent to forums: none of this stays.
"""

from __future__ import annotations

import logging
import re
from typing import Any

GONE = "[secret]"

_BYTES = re.compile(r"b(['\"]).*?\1")

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(token|bearer|basic)\s+[A-Za-z0-9+/._~=-]{16,}", re.I), rf"\1 {GONE}"),
    # name=value, "name": "value", name: value, for names that mean a secret
    (
        re.compile(
            r"((?:pass(?:word|wd)?|secret|token|api_token|access_token|refresh_token|id_token|code|code_verifier|"
            r"cookie_id|session_id|jupyterhub-session-id|_xsrf|client_secret|bind_password)"
            r"['\"]?\s*[:=]\s*b?['\"]?)(?!\[secret\])(?!None\b|True\b|False\b|null\b)[^\s'\"&,;)\]}]{6,}",
            re.I,
        ),
        rf"\1{GONE}",
    ),
    (re.compile(r"([?&](?:state|nonce)=)[^&\s]+"), rf"\1{GONE}"),
    # Tornado's signed cookies, `2|1:0|10:…`, and OAuth states
    (re.compile(r"\b2\|1:\d+\|[^\s'\";]+"), GONE),
    (re.compile(r"\$argon2[a-z]*\$[^\s'\"]+"), GONE),
    # the names of failed sign-ins
    (re.compile(r"(Failed login for ).+"), r"\1a name that is not told here"),
    (re.compile(r"(Disallowing invalid username ).+"), r"\1that is not told here"),
    (re.compile(r"(Bad JSON: ).+", re.S), rf"\1{GONE}"),
    # 32 bytes or 16 in hex, and tokens of that length: cookie ids, session ids, API tokens, keys
    (re.compile(r"(?<![A-Za-z0-9:@/-])[0-9a-f]{32}(?:[0-9a-f]{32})?(?![A-Za-z0-9-])"), GONE),
)


def without_secrets(text: str) -> str:
    """`text` with what may be a secret taken out. Digests such as `sha256:…` stay."""
    if "xsrf" in text:  # session_id:cookie_id, either of which may be missing
        text = _BYTES.sub(GONE, text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


class Discreet(logging.Filter):
    """For every handler that writes the Hub's log somewhere."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the secrets out of the record, and let it pass."""
        try:
            message = record.getMessage()
            clean = without_secrets(message)
            if clean != message:
                record.msg, record.args = clean, None
            if record.exc_info and not record.exc_text:
                record.exc_text = without_secrets(logging.Formatter().formatException(record.exc_info))
        except Exception:
            record.msg, record.args = "[a log line that could not be made]", None
        return True


def logging_config(existing: Any = None) -> dict[str, Any]:
    """For `JupyterHub.logging_config`: the filter on the handler that writes to the console."""
    config = dict(existing or {})
    filters = dict(config.get("filters", {}))
    handlers = dict(config.get("handlers", {}))
    filters["discreet"] = {"()": "jupyterhub_tf29.audit.discreet.Discreet"}
    handlers["console"] = {**handlers.get("console", {}), "filters": ["discreet"]}
    return {**config, "filters": filters, "handlers": handlers}
