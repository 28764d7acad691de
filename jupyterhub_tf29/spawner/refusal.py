"""Why a server did not start: a plain sentence for its user, the cause for the admin's log.

`refuse` makes JupyterHub's `SpawnException` (6.0 and newer; a stand-in with the same attributes before).
`explain` finds the sentence for what the engine or the network raised.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, Literal

import docker.errors
import requests
from tornado import web

from ..i18n import N_, Translate

try:
    from jupyterhub.spawner import SpawnException
except ImportError:  # JupyterHub 5.5

    class SpawnException(web.HTTPError):  # type: ignore[no-redef]
        """JupyterHub 6's exception of this name, as far as JupyterHub 5.5 can show it."""

        def __init__(self, message: str, *, reason: str, log_message: str = "", status_code: int = 400) -> None:
            # it shows an error's log message to users; ours, with the cause, is logged by who raises this
            super().__init__(status_code, message, reason=reason)
            self.jupyterhub_message, self.reason = message, reason


Level = Literal["error", "info", "line"]
"""`line`: the server has a place in the line for a GPU, which the menu shows by itself."""


class Sentence(str):
    """What a user reads. It carries to our templates (spawn.html, not_running.html) how it is meant."""

    level: Level = "error"


class StartFailed(Exception):
    """A start failed for a reason that we know. `sentence` is a key of the catalogues with `{fields}`."""

    def __init__(
        self,
        reason: str,
        sentence: str,
        *,
        status_code: int = 500,
        cause: str = "",
        level: Level = "error",
        link: str = "",
        **values: Any,
    ) -> None:
        """`cause` is for the log; `link` is where the user learns more; `level` how the pages show it."""
        self.reason, self.sentence, self.values = reason, sentence, values
        self.status_code, self.cause, self.level, self.link = status_code, cause, level, link
        super().__init__(sentence.format(**values) + (f" ({cause})" if cause else ""))


def refuse(failure: StartFailed, translate: Translate) -> Exception:
    """What the Hub is to raise for `failure`, in the reader's language."""
    message = Sentence(translate(failure.sentence).format(**failure.values))
    message.level = failure.level
    exception = SpawnException(
        message, reason=failure.reason, log_message=str(failure), status_code=failure.status_code
    )
    # the progress page prints the message as text and the spawn form as HTML
    exception.jupyterhub_message = message
    exception.jupyterhub_html_message = html.escape(message)
    if failure.link:
        words = html.escape(translate(_MORE))
        exception.jupyterhub_html_message += f' <a href="{html.escape(failure.link)}">{words}</a>'
    return exception


_MORE = N_("See the line.")


def explain(error: BaseException) -> StartFailed:
    """The failure behind what a Docker call raised; the last resort names no detail, the log has it."""
    if isinstance(error, StartFailed):
        return error
    text = str(getattr(error, "explanation", None) or error)
    for applies, reason, sentence, status_code in _KNOWN:
        if applies(error, text):
            return StartFailed(reason, sentence, status_code=status_code, cause=text)
    return StartFailed(
        "engine_error",
        N_(
            "The workspace could not be started. Nothing of yours is lost. Please tell the admin, who finds the "
            "cause in the Hub's log."
        ),
        cause=f"{type(error).__name__}: {text}",
    )


def _has(*words: str) -> Callable[[BaseException, str], bool]:
    return lambda error, text: any(word in text for word in words)


def _unreachable(error: BaseException, text: str) -> bool:
    # an APIError is an answer, though docker-py derives it from requests' exceptions
    unanswered = (requests.exceptions.RequestException, docker.errors.DockerException, ConnectionError)
    return isinstance(error, unanswered) and not isinstance(error, docker.errors.APIError)


_KNOWN: list[tuple[Callable[[BaseException, str], bool], str, str, int]] = [
    (
        _has("no space left on device", "disk quota exceeded"),
        "disk_full",
        N_(
            "There is no space left for the files of this workspace: your home or the machine's disk is full. "
            "Please ask the admin to make room."
        ),
        507,
    ),
    (
        _has("bind source path does not exist"),
        "storage_missing",
        N_("A folder that this workspace needs is missing on the machine. Please tell the admin."),
        500,
    ),
    (
        _has("No such image"),
        "image_missing",
        N_("The notebook image is not on this machine. Please tell the admin."),
        503,
    ),
    (
        lambda error, text: (
            isinstance(error, docker.errors.APIError) and error.status_code == 404 and "network" in text
        ),
        "network_missing",
        N_("The network of the workspaces is missing on this machine. Please tell the admin."),
        503,
    ),
    (
        lambda error, text: "Permission denied" in text and _unreachable(error, text),
        "engine_refused",
        N_("The hub may not use the container engine of this machine. Please tell the admin."),
        503,
    ),
    (
        _unreachable,
        "engine_down",
        N_(
            "The container engine of this machine does not answer. Your files are safe; please try again in a "
            "few minutes, and tell the admin if it stays so."
        ),
        503,
    ),
]
