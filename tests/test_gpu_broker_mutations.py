"""A rule of the broker that is broken does not stay unseen: the random histories find each of these mutations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from jupyterhub_tf29.gpu.broker import accounting, lookout, truth, turns, view, wishes
from jupyterhub_tf29.gpu.broker.book import Book
from tests.broker.histories import History

HISTORIES, STEPS = 12, 600
"""At most; each mutation is found long before."""


def nothing(*_: object, **__: object) -> None:
    return None


def no_reasons(*_: object) -> dict[str, str]:
    return {}


def only_the_engine_counts(book, claim):
    """As `still_used`, but blind for processes."""
    theirs = [one for one in book.containers.values() if one.claim == claim.id]
    return dict.fromkeys(claim.uuids, "x") if theirs or book.listed_at <= claim.released_at else {}


def only_nvml_counts(book, claim):
    """As `still_used`, but blind for containers."""
    samples = [book.sights[uuid].sample for uuid in claim.uuids if uuid in book.sights]
    mine = [
        one for sample in samples if sample for one in sample.processes if one.container_id == claim.container_id
    ]
    return dict.fromkeys(claim.uuids, "x") if mine else {}


def ends_without_quarantine(book, uuid, why, now):
    return None


def in_service(*_: object) -> tuple[str, str, float]:
    return "", "", 0.0


def charged_nothing(*_: object, **__: object):
    return accounting.sa.text("SELECT 1")


def not_kept(book, record):
    """As `Book.put`, but the disk does not hear of claims."""
    book._shelf(record)[next(iter(vars(record).values()))] = record
    if type(record).__name__ != "Claim":
        book._changed[id(record)] = record


MUTATIONS: dict[str, tuple[object, str, Callable]] = {
    "two may hold one GPU": (Book, "fits", lambda self, uuids, mib: ""),
    "what is given back is free at once": (truth, "still_used", no_reasons),
    "a process does not count": (truth, "still_used", only_the_engine_counts),
    "a container does not count": (truth, "still_used", only_nvml_counts),
    "a GPU in use is freed after the bound": (truth, "quarantine", ends_without_quarantine),
    "what runs and is not in the book is overlooked": (truth, "_adopt", nothing),
    "what never came is kept": (truth, "_never_came", lambda book, claim, now: False),
    "strangers are not seen": (lookout, "_look_for_strangers", nothing),
    "cards out of service are given": (view, "out_of_service", in_service),
    "a turn lasts for ever": (turns, "expire_holds", nothing),
    "nobody is stopped": (turns, "stop", nothing),
    "use is not added up": (accounting, "add_usage", charged_nothing),
    "what is held again has no history": (accounting, "reopened", nothing),
    "the ticket of a claim that is gone keeps its turn": (wishes, "_after_its_turn", nothing),
    "claims are not written": (Book, "put", not_kept),
}


@pytest.mark.parametrize("name", list(MUTATIONS))
def test_a_mutation_is_found(name: str, monkeypatch, tmp_path: Path):
    where, what, instead = MUTATIONS[name]
    assert hasattr(where, what)
    monkeypatch.setattr(where, what, instead)
    for seed in range(HISTORIES):
        history = History(gpus=1 + seed % 4, path=tmp_path / f"{seed}.sqlite" if seed % 2 else None)
        try:
            history.random_steps(Random(seed), STEPS)
            history.check_store()
        except (AssertionError, KeyError):
            return
    pytest.fail(f"{HISTORIES} histories of {STEPS} steps did not notice: {name}")
