"""What the scheduler decides, as sentences: each reason has one in each language, with its values filled in."""

import typing

import pytest

from jupyterhub_tf29.gpu import words
from jupyterhub_tf29.gpu.request import Request
from jupyterhub_tf29.gpu.scheduler.decisions import Ending, Notice, Reason, ReasonCode
from jupyterhub_tf29.i18n import LANGUAGES

VALUES = {
    "request": Request(count=2, model="A100").to_json(),
    "total": 4, "free": 1, "count": 2, "serving": 1, "group": "ml", "limit": 2.0, "used": 1.5,
    "end_s": 600.0, "start_s": 5400.0, "lease_s": 3600.0, "head_s": 90.0, "max_s": 86400.0, "period_ends_at": None,
}  # fmt: skip


@pytest.mark.parametrize("code", typing.get_args(ReasonCode))
def test_every_reason_is_said_in_every_language(code):
    said = words.say(Reason(code, VALUES))
    assert set(said) == set(LANGUAGES)
    assert all(text and "{" not in text for text in said.values())
    assert said["en"] != said["zh"]


@pytest.mark.parametrize("kind", ["lease", "idle", "overrun", "window"])
def test_every_notice_and_end_is_said(kind):
    notice = words.say_notice(Notice("claim", kind, "key", 1.0, 300.0))
    assert "5 minutes" in notice["en"]
    assert "5 分钟" in notice["zh"]
    assert set(words.say_ending(Ending("claim", kind).cause)) == set(LANGUAGES)


@pytest.mark.parametrize("kind", ["idle", "overrun"])
def test_a_notice_without_an_end_says_none(kind):
    assert "stops in" not in words.say_notice(Notice("claim", kind, "key", None, None))["en"]


def test_a_share_is_not_counted_in_gpus():
    values = {**VALUES, "request": Request("share", share_mib=8192).to_json()}
    assert words.say(Reason("units", values))["en"].endswith("It needs 8 GiB of a GPU.")


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (Request(), "1 GPU"),
        (Request(count=2, model="A100", min_memory_mib=40960), "2 GPUs (A100, 40 GiB or more)"),
        (Request("share", share_mib=1536), "1.5 GiB of a GPU"),
        (Request("mig", count=2, mig_profile="1g.5gb"), "2 × MIG 1g.5gb"),
    ],
)
def test_a_request_in_words(request_, text):
    assert words.request_in_words(request_, "en") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 minute"), (59, "1 minute"), (61, "2 minutes"), (3600, "1 hour"), (5400, "1 hour 30 minutes"),
        (86400, "1 day"), (90000, "1 day 1 hour"), (86700, "1 day"),
    ],
)  # fmt: skip
def test_a_duration_in_words(seconds, text):
    assert words.duration_in_words(seconds, "en") == text
