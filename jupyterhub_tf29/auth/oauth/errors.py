"""How asking a provider can fail, as far as it matters to whom it happens."""

from __future__ import annotations


class ProviderDown(Exception):
    """It does not answer, or not with anything that can be used. Nothing is known about the person."""


class NoLonger(Exception):
    """It answered, and its answer was no: what we hold of this person is worth nothing any more."""
