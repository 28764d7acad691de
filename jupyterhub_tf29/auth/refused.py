"""Why somebody does not come in: a sentence for them, and a word for the audit trail."""

from __future__ import annotations

from tornado import web


class SignInRefused(web.HTTPError):
    """Somebody cannot come in. `cause` is one word for the audit trail, such as `disabled` or `directory-down`."""

    def __init__(self, status: int, sentence: str, *, cause: str) -> None:
        """`sentence` is in the reader's language."""
        super().__init__(status, sentence)
        self.cause = cause  # `reason` is Tornado's: the words of the status line
