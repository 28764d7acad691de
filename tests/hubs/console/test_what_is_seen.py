"""Pages and answers: what each may see, in their language."""

from __future__ import annotations

import re

import pytest

from tests.console_broker import department
from tests.hubs.browser import words
from tests.hubs.console.person import API, PAGE, get
from tests.test_console_views import checker

pytestmark = [pytest.mark.hub, pytest.mark.docker]


def test_the_api_answers_as_it_is_described(hub, broker, person):
    department(broker)
    document = get(hub, API + "openapi.json").json()
    assert document["servers"] == [{"url": "/services/gpus/api/v1"}]
    validate = checker(document)
    validate("Overview", person.call("GET", "overview").json())
    validate("Devices", person.call("GET", "devices").json())
    validate("History", person.call("GET", "history").json())
    validate("Usage", person.call("GET", "usage").json())
    validate("Caller", person.call("GET", "").json())
    validate("Error", person.call("POST", "claims/none/end", {}).json())


def test_every_address_of_the_description_answers_and_no_other_does(hub, broker, admin):
    document = get(hub, API + "openapi.json").json()
    for path, methods in document["paths"].items():
        address = path.removeprefix("/").format(uuid="none", id="none") if "{" in path else path.removeprefix("/")
        if address == "events":
            continue
        for method in ("get", "post", "delete"):
            status = admin.call(method.upper(), address, {}).status_code
            assert (status == 405) is (method not in methods), f"{method} {path}: {status}"


def test_a_users_page_has_no_names_of_others_and_their_own_line(broker, person):
    department(broker)
    page = person.sees("You wait at place 1", "GPU 1 · 16 GiB")
    assert [other for other in ("lin", "garcia", "okafor", "smith") if re.search(rf"\b{other}\b", page)] == []
    assert "somebody" in page
    assert "Drain" not in page
    assert "ticket-2-okafor" not in page


def test_an_admins_page_has_them_all_and_its_buttons(broker, admin):
    department(broker)
    page = admin.sees("okafor")
    assert all(name in page for name in ("lin", "garcia", "okafor", "smith"))
    assert all(label in words(page) for label in ("Drain …", "Return to service", "Extend …", "End …", "Move up"))
    assert "XID 79" in page


def test_why_one_waits_is_told_without_names(broker, person, admin):
    department(broker)
    broker.tickets.insert(0, broker.tickets.pop(1))
    ticket = next(one for one in broker.tickets if one["user"] == person.name)
    told = words(person.page(f"why/{ticket['id']}").text)
    assert "Before it: somebody, 2 GPUs (A100). Its priority is 0.80." in told
    assert "What has to end first: the lease of GPU 0, in 25 minutes at the latest." in told
    assert "okafor" in words(admin.page(f"why/{ticket['id']}").text)
    assert person.call("GET", f"tickets/{ticket['id']}/explain").json()["ahead"][0]["user"] is None


def test_the_page_speaks_chinese(broker, person):
    department(broker)
    person.sees("6 块 GPU 中有 1 块空闲", "队列", "停用", language="zh-CN,zh;q=0.9")


def test_the_hubs_own_pages_have_a_link_to_it(person):
    assert f'href="{PAGE}"' in person.browser.get("/hub/home").text


def test_not_real_gpus_are_told(broker, person):
    broker.inventory["real"] = False
    person.sees("These GPUs are not real.")


def test_no_gpus_at_all_is_said_in_words(broker, person, admin):
    broker.inventory["problem"] = "no NVIDIA driver"
    assert "no NVIDIA driver" not in person.sees("This machine has no GPUs to hand out.")
    admin.sees("This machine has no GPUs to hand out. no NVIDIA driver")
