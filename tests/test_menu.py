"""The form shows what can be chosen, in the reader's language, and says back what the gate takes."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from jupyterhub_tf29.profiles import load_profiles
from jupyterhub_tf29.settings import Limits
from jupyterhub_tf29.spawner.choice import choose
from jupyterhub_tf29.spawner.menu import MenuPage, options_from_fields, options_from_query, render
from jupyterhub_tf29.spawner.notices import make_notice

MENU = load_profiles(Path(__file__).parent.parent / "config" / "profiles.yaml", Limits())


class Form(HTMLParser):
    """What a browser would send if nothing was touched."""

    def __init__(self, html):
        super().__init__()
        self.fields, self.select = {}, None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "select":
            self.select = found["name"]
        elif tag == "option" and ("selected" in found or self.select not in self.fields):
            self.fields[self.select] = [found["value"]]
        elif (tag == "input" and found["type"] == "radio" and "checked" in found) or (
            tag == "input" and found["type"] == "number"
        ):
            self.fields[found["name"]] = [found["value"]]


def page(**kwargs):
    return MenuPage(**{"profiles": MENU, "chosen": {}, "language": "en", **kwargs})


def sent_untouched(**kwargs):
    return options_from_fields(Form(render(page(**kwargs))).fields)


def test_an_untouched_form_starts_the_default_workspace():
    assert choose(MENU, sent_untouched(), limits=Limits()).options == {"profile": "cpu-small"}


@pytest.mark.parametrize(
    "chosen",
    [
        {"profile": "cpu-large", "memory": "16g", "cpus": "8"},
        {"profile": "cpu-large", "memory": "other", "memory-other": "3", "cpus": "2"},
    ],
    ids=["listed", "typed"],
)
def test_the_last_choice_is_chosen_already(chosen):
    assert choose(MENU, sent_untouched(chosen=chosen), limits=Limits()).options == chosen


def test_a_last_choice_that_is_gone_gives_way_to_the_default():
    assert sent_untouched(chosen={"profile": "gone"}) == {"profile": "cpu-small"}
    assert sent_untouched(chosen={"profile": "cpu-large", "memory": "gone"})["memory"] == "8g"


def test_gpu_workspaces_are_hidden_until_gpus_are_managed():
    assert "One GPU" not in render(page())
    assert "One GPU" in render(page(gpus_managed=True))


def test_a_named_server_is_asked_for_its_home():
    assert sent_untouched(homes=("shared", "own"))["home"] == "shared"
    assert "home" not in sent_untouched()


def test_the_readers_language():
    html = render(page(language="zh", disk_used=3 * 2**30))
    assert "CPU（小型）" in html
    assert "工作环境" in html
    assert "3 GiB" in html
    assert "Workspace" not in html


def test_notices_and_a_broken_menu_are_shown_escaped():
    notice = make_notice("oom", "error", "Limit {limit}", limit="<script>")
    html = render(page(notices=[notice], problem="profiles.yaml:3: <b>broken</b>"))
    assert "Limit &lt;script&gt;" in html
    assert "&lt;b&gt;broken" in html


def test_a_form_that_was_tampered_with_arrives_whole_at_the_gate():
    fields = {"profile": ["cpu-small"], "option--cpu-small--memory": ["8g"], "image": ["evil"], "_xsrf": ["x"],
              "option--cpu-large--memory": ["16g"]}  # fmt: skip
    assert options_from_fields(fields) == {"profile": "cpu-small", "memory": "8g", "image": "evil"}


def test_a_query_keeps_what_was_said_twice_for_the_gate_to_refuse():
    assert options_from_query({"profile": ["a"], "memory": ["8g", "16g"]}) == {
        "profile": "a",
        "memory": ["8g", "16g"],
    }


def test_a_link_means_the_same_on_both_versions_of_jupyterhub():
    assert options_from_query({"opt-profile": ["a"]}) == options_from_query({"profile": ["a"]}) == {"profile": "a"}
