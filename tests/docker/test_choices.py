"""A choice is held against the menu whichever way it comes: the form, REST, a link.

What is refused is said with what is allowed, starts nothing, and is not remembered.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.hubs.browser import words

pytestmark = [pytest.mark.docker, pytest.mark.hub]

# name: (options, what the refusal must say is allowed)
TAMPERED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown profile": ({"profile": "cpu-huge"}, ["small", "chosen"]),
    "hidden profile": ({"profile": "gpu"}, ["small", "chosen"]),
    "unknown choice": ({"profile": "chosen", "memory": "huge"}, ["low", "high", "other"]),
    "more than the bounds": ({"profile": "chosen", "memory": "other", "memory-other": "65536"}, ["64", "224"]),
    "a negative size": ({"profile": "chosen", "memory": "other", "memory-other": "-1"}, ["64", "224"]),
    "another profile's option": ({"profile": "small", "memory": "high"}, ["no option", "memory"]),
    "an image": ({"profile": "small", "image": "evil/image"}, ["no option", "image"]),
    "a limit": ({"profile": "small", "mem_limit": "64G"}, ["no option", "mem_limit"]),
    "a path": ({"profile": "small", "volumes": "/etc:/host"}, ["no option", "volumes"]),
    "a template": ({"profile": "{username}"}, ["small", "chosen"]),
}
REST_ONLY: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a list": ({"profile": ["small", "chosen"]}, ["profile"]),
    "an object": ({"profile": {"slug": "small"}}, ["profile"]),
    "mounts": ({"profile": "small", "extra_host_config": {"Privileged": True}}, ["extra_host_config"]),
    "nothing": ({"profile": None}, ["profile"]),
}
ACCEPTED = {"profile": "chosen", "memory": "high"}


@pytest.fixture(scope="module")
def chooser(stub_hub):
    """A user whose last accepted choice is ACCEPTED."""
    with stub_hub.browser("mona") as browser:
        stub_hub.api.start("mona", options=ACCEPTED)
        stub_hub.api.stop("mona")
        yield browser


def refused(stub_hub, name: str) -> None:
    """Nothing was started and nothing but the last accepted choice is remembered."""
    assert stub_hub.containers(name) == []
    server = stub_hub.api.server(name)
    assert not server["ready"]
    assert server["user_options"] == ACCEPTED


@pytest.mark.parametrize(
    ("options", "said"), [*TAMPERED.values(), *REST_ONLY.values()], ids=[*TAMPERED, *REST_ONLY]
)
def test_rest_refuses(stub_hub, chooser, options, said):
    answer = stub_hub.api.ask_start("mona", options=options)
    assert answer.status_code == 400, answer.text
    message = answer.json()["message"]
    assert all(word in message for word in said), message
    refused(stub_hub, "mona")


@pytest.mark.parametrize("body", [["small"], "small", 5, True], ids=["list", "text", "number", "bool"])
def test_rest_refuses_a_body_that_is_no_object(stub_hub, chooser, body):
    answer = stub_hub.api.ask_start("mona", options=body)
    assert 400 <= answer.status_code < 500, answer.text
    refused(stub_hub, "mona")


@pytest.mark.parametrize(("options", "said"), TAMPERED.values(), ids=TAMPERED)
def test_a_link_refuses(stub_hub, chooser, options, said):
    answer = chooser.start_by_link({f"opt-{name}": value for name, value in options.items()})
    assert answer.status_code in (200, 400), answer.status_code
    assert all(word in words(answer.text) for word in said), words(answer.text)
    refused(stub_hub, "mona")


@pytest.mark.parametrize(("options", "said"), TAMPERED.values(), ids=TAMPERED)
def test_the_form_refuses(stub_hub, chooser, options, said):
    profile = options["profile"]
    fields = {
        f"option--{profile}--{name}" if name.startswith("memory") else name: value
        for name, value in options.items()
    }
    answer = chooser.start(fields)
    assert answer.status_code in (200, 400), answer.status_code
    assert all(word in words(answer.text) for word in said), words(answer.text)
    refused(stub_hub, "mona")


def test_without_options_the_last_accepted_choice_is_used(stub_hub, chooser):
    stub_hub.api.ask_start("mona", options={"profile": "cpu-huge"})
    stub_hub.api.start("mona", options=None)
    assert stub_hub.container("mona").attrs["HostConfig"]["Memory"] == 192 * 2**20
    stub_hub.api.stop("mona")


def test_a_refusal_is_in_the_language_of_its_reader(stub_hub):
    with stub_hub.browser("nan", language="zh-CN") as browser:
        browser.menu()
        page = words(browser.start({"profile": "cpu-huge"}).text)
    assert "cpu-huge" in page
    assert "You can choose" not in page
    assert "可选" in page, page


def test_a_menu_that_changed_refuses_the_stale_choice(make_hub):
    hub = make_hub()
    hub.api.start("olga", options={"profile": "chosen", "memory": "high"})
    hub.api.stop("olga")
    hub.write_profiles("profiles:\n  - {slug: only, display_name: Only, default: true}\n")
    answer = hub.api.ask_start("olga", options={"profile": "chosen", "memory": "high"})
    assert answer.status_code == 400
    assert "only" in answer.json()["message"]
    assert hub.containers() == []
    hub.api.start("olga", options={"profile": "only"})


def test_a_broken_menu_keeps_the_last_good_one_and_tells_the_admin_only(make_hub):
    hub = make_hub()
    hub.write_profiles("profiles:\n  - slug: small\n    override: {mem_limit: lots}\n")
    hub.api.start("pia", options={"profile": "small"})
    hub.add_account("admin", admin=True)
    with hub.browser("admin") as admin, hub.browser("pia") as pia:
        assert "profiles.yaml" in words(admin.menu().text)
        hub.api.stop("pia")
        assert "profiles.yaml" not in words(pia.menu().text)
    assert "mem_limit" in hub.log()
