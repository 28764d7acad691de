"""The one error of accounts: a sentence that a person can act on, in their language."""

from __future__ import annotations

from ..i18n import Translate


class AccountError(ValueError):
    """Something about an account cannot be done; the text says what and why.

    `sentence` is English with `{placeholders}` and the key of its translation.
    """

    def __init__(self, sentence: str, **values: object) -> None:
        super().__init__(sentence.format(**values))
        self.sentence = sentence
        self.values = values

    def translated(self, translate: Translate) -> str:
        """The text in the reader's language."""
        return translate(self.sentence).format(**self.values)


class StoreError(AccountError):
    """The store itself cannot be used. Only an admin can do something about it: the text stays English."""
