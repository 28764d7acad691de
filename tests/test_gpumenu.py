"""The menu's words about GPUs: free ones, the line, leases, the user's own places."""

from pathlib import Path

import pytest

from jupyterhub_tf29.profiles import load_profiles
from jupyterhub_tf29.settings import Limits
from jupyterhub_tf29.spawner.gpumenu import GpuMenu, gpu_menu, wishes
from jupyterhub_tf29.spawner.gpuwords import (
    duration_in_words,
    forecast_in_words,
    lease_in_words,
    place_in_words,
    ticket_in_words,
)
from jupyterhub_tf29.spawner.menu import MenuPage, line_button, render

OPTIONS = """
profiles:
  - {slug: cpu, display_name: CPU}
  - slug: gpu
    display_name: {en: GPUs, zh: 显卡}
    override: {gpu: {count: 1, lease: 4h}}
    profile_options:
      gpus:
        display_name: How many
        choices:
          "1": {display_name: One}
          "2": {display_name: Two, override: {gpu: {count: 2}}}
      memory:
        display_name: Memory
        choices: {low: {display_name: Low, override: {mem_limit: 1G}}}
  - slug: share
    display_name: A share
    override: {gpu: {share: 4G}}
"""


@pytest.fixture
def profiles(tmp_path: Path):
    (tmp_path / "profiles.yaml").write_text(OPTIONS, encoding="utf-8")
    return load_profiles(tmp_path / "profiles.yaml", Limits())


def forecast(**over):
    return {
        "free": 0,
        "total": 4,
        "now": False,
        "possible": True,
        "place": 3,
        "estimate_s": 1440.0,
        "lease_s": 14400,
        "reason": {"en": "All are taken.", "zh": "已占满。"},
        **over,
    }


def ticket(**over):
    return {
        "id": "t1",
        "user": "ada",
        "server": "",
        "place": 2,
        "estimate_s": 600.0,
        "submitted": 0.0,
        "request": {"kind": "whole"},
        "lease_s": 14400,
        "reason": {"en": "Bea is before you.", "zh": "前面有人。"},
        "state": "waiting",
        "claim": None,
        "hold_until": None,
        "profile": "gpu",
        "options": {},
        **over,
    }


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (forecast(free=2, now=True), "2 of 4 free, starts at once"),
        (forecast(), "All taken: you would be third, in about 25 minutes (an estimate)"),
        (forecast(free=1, place=1), "1 of 4 free, not enough for this: you would be first, in about 25 minutes"),
        (forecast(estimate_s=None), "All taken: you would be third, and nobody can tell how long it takes"),
        (
            forecast(possible=False, reason={"en": "No GPU here has 80 GB.", "zh": "没有。"}),
            "No GPU here has 80 GB.",
        ),
        (None, "How many are free is not known right now."),
    ],
    ids=["free", "taken", "not enough", "nobody knows", "impossible", "silent"],
)
def test_what_would_happen_is_said_before_start(said, words):
    assert forecast_in_words(said, "en").startswith(words)
    chinese = forecast_in_words(said, "zh")
    assert not any(word.isascii() and word.isalpha() for word in chinese.replace("GPU", "").split()), chinese


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "1 minute"), (61, "2 minutes"), (3600, "1 hour"), (5400, "1 hour 30 minutes"), (14400, "4 hours"),
     (90000, "1 day 1 hour"), (7 * 86400, "7 days")],
)  # fmt: skip
def test_durations(seconds, words):
    assert duration_in_words(seconds, "en") == words


def test_places_have_names():
    assert [place_in_words(n, "en") for n in (1, 3, 12)] == ["first", "third", "number 12"]
    assert place_in_words(3, "zh") == "第 3 位"


def test_a_lease_says_what_its_end_costs():
    assert lease_in_words(14400, "en").startswith("For 4 hours. ")
    assert "kernels lose their state, files stay" in lease_in_words(None, "en")


def test_a_ticket_says_its_place_or_that_it_is_its_turn():
    assert ticket_in_words(ticket(), "en") == "You are second in the line, in about 10 minutes (an estimate)."
    assert "your turn" in ticket_in_words(ticket(state="held"), "en")


def test_every_choice_that_decides_about_gpus_is_asked_for(profiles):
    found = {key: gpu.request.in_words() for key, gpu in wishes(profiles.profiles).items()}
    assert found == {"gpu--gpus--1": "1 GPU", "gpu--gpus--2": "2 GPUs", "share": "a share of 4096 MiB"}


def page(profiles, menu, **over):
    return render(MenuPage(profiles=profiles, chosen={}, language="en", gpus_managed=True, gpus=menu, **over))


def test_the_menu_shows_lines_and_the_lease(profiles):
    asked = {"gpu--gpus--1": forecast(free=2, now=True), "gpu--gpus--2": forecast()}
    html = page(profiles, gpu_menu(profiles.profiles, asked, [], "en"))
    assert "2 of 4 free, starts at once" in html
    assert "All taken: you would be third" in html
    assert "For 4 hours." in html
    assert 'data-field="option--gpu--gpus" data-choice="2"' in html
    assert html.count("not known right now") == 1, "the share, of which nothing was said"


def test_the_menu_shows_own_places_with_a_way_out(profiles):
    held = ticket(id="t2", server="lab", state="held", profile="gone")
    places = [ticket(), held, ticket(id="t3", offer={"lease_s": 1800})]
    menu = gpu_menu(
        profiles.profiles, {}, places, "en", line_url="/services/gpus/", meanwhile_url="/hub/spawn/ada/cpu"
    )
    html = page(profiles, menu)
    assert html.count('name="leave-line"') == 3
    assert 'name="leave-line" value="t1"' in html
    assert "Bea is before you." in html
    assert "server “lab”" in html
    assert 'name="take-offer" value="t3"' in html
    assert "Start now, for 30 minutes only" in html
    assert 'href="/hub/spawn/ada/cpu"' in html
    assert 'href="/services/gpus/"' in html


def test_enter_in_a_field_means_start_and_not_giving_up(profiles):
    html = page(profiles, gpu_menu(profiles.profiles, {}, [ticket()], "en"))
    assert "name=" not in html[html.index("<button") : html.index(">", html.index("<button"))]


def test_without_gpus_the_menu_is_as_before(profiles):
    html = render(MenuPage(profiles=profiles, chosen={}, language="en", gpus=GpuMenu()))
    assert "GPU" not in html
    assert "setInterval" not in html


@pytest.mark.parametrize(
    ("fields", "pressed"),
    [
        ({"leave-line": ["t1"], "profile": ["gpu"]}, ("leave-line", "t1")),
        ({"take-offer": ["t2"]}, ("take-offer", "t2")),
        ({"profile": ["gpu"]}, None),
        ({"leave-line": []}, None),
    ],
)
def test_which_button_was_pressed(fields, pressed):
    assert line_button(fields) == pressed
