"""The console as its users, its admins, programs and attackers meet it: a real Hub and proxy, over HTTP.

The broker is a stand-in whose cards and line a test writes; what is between it and a browser is all real.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from collections.abc import Iterator
from typing import Any

import docker
import pytest
import requests

from tests.console_broker import BrokerStandIn, broker_stand_in, department
from tests.hubs.browser import Browser, words
from tests.hubs.running import RunningHub
from tests.test_console_views import checker
from tests.waiting import wait_until

pytestmark = [pytest.mark.hub, pytest.mark.docker]

PAGE, API = "/services/gpus/", "/services/gpus/api/v1/"
STREAM_WITHIN_S = 60
SCRIPT = "<script>alert('x')</script>"
METRICS_TOKEN = secrets.token_hex(16)
PROMETHEUS = f"""
c.JupyterHub.services.append({{"name": "prometheus", "api_token": "{METRICS_TOKEN}"}})
c.JupyterHub.load_roles.append({{"name": "prometheus", "services": ["prometheus"], "scopes": ["read:metrics"]}})
"""


@pytest.fixture(scope="module")
def hub(
    engine: docker.DockerClient, stub_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHub]:
    folder = tmp_path_factory.mktemp("hub") / "console"
    settings = {"gpu": {"managed": "auto"}}
    with contextlib.closing(
        RunningHub(folder, engine, stub_image, settings=settings, extra=PROMETHEUS)
    ) as running:
        running.start()
        running.add_account("boss", admin=True)
        running.start_console()
        yield running
        log = (running.paths.logs / "console.log").read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert "_xsrf=" not in log


@pytest.fixture
def broker(hub: RunningHub) -> Iterator[BrokerStandIn]:
    with broker_stand_in(hub.paths.broker_socket) as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def person(hub: RunningHub) -> Iterator[Person]:
    """A user who is signed in."""
    with hub.browser("wang") as browser:
        yield Person(hub, browser)


@pytest.fixture(scope="module")
def admin(hub: RunningHub) -> Iterator[Person]:
    with hub.browser("boss") as browser:
        yield Person(hub, browser)


@pytest.fixture
def visitor(hub: RunningHub) -> Iterator[Person]:
    """A user of one test alone, who may sign out."""
    with hub.browser(new_name()) as browser:
        yield Person(hub, browser)


class Person:
    """A browser at the console's page, which does what its script would."""

    def __init__(self, hub: RunningHub, browser: Browser) -> None:
        self.hub, self.browser = hub, browser
        self.name = browser.name

    def page(self, path: str = "", language: str = "en") -> requests.Response:
        return self.browser.get(PAGE + path, headers={"Accept-Language": language})

    def sees(self, *wanted: str, language: str = "en") -> str:
        """The page's HTML once all that is among its words: what has just happened is there a moment later."""

        def found() -> str:
            page = self.page(language=language).text
            return page if all(one in words(page) for one in wanted) else ""

        return wait_until(found, f"the page says {wanted}", timeout=15)

    def xsrf(self) -> str:
        found = re.search(r'data-xsrf="([^"]+)"', self.page().text)
        assert found, "the page has no XSRF token"
        return found[1]

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """The API, as the page's script calls it."""
        headers = {"X-XSRFToken": self.xsrf(), "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"} | headers
        return self.browser.session.request(
            method, self.browser.url + API + path, json=body, headers=headers, timeout=30, allow_redirects=False
        )


def token_of(hub: RunningHub, name: str, *scopes: str) -> dict[str, str]:
    """Headers of a program of that user with these scopes; without any: with all that the user may."""
    hub.api.add_user(name)
    body: dict[str, Any] = {"note": "test"}
    if scopes:
        body["scopes"] = ["access:services!service=gpus", *scopes]
    made = hub.api.call("POST", f"/users/{name}/tokens", body)
    made.raise_for_status()
    return {"Authorization": f"token {made.json()['token']}"}


def get(hub: RunningHub, path: str, headers: dict[str, str] | None = None, **kwargs: Any) -> requests.Response:
    return requests.get(hub.url + path, headers=headers, timeout=30, allow_redirects=False, **kwargs)


def new_name(prefix: str = "user") -> str:
    return f"{prefix}{secrets.token_hex(3)}"


# -- who comes in ----------------------------------------------------------------------------------------------


def test_nobody_is_sent_to_the_sign_in_and_comes_back(hub, broker, person):
    answer = get(hub, PAGE)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/hub/api/oauth2/authorize")
    assert person.page().url == hub.url + PAGE, "signed in to the Hub, nothing more is asked"


def test_a_sign_in_that_was_not_begun_here_is_refused_in_words(hub, broker):
    for query in ("", "?code=made-up", "?code=made-up&state=made-up", "?error=access_denied"):
        answer = get(hub, f"{PAGE}oauth_callback{query}")
        assert answer.status_code in (400, 403), query
        assert "You could not be recognised" in words(answer.text), query
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "made-up" not in answer.text


def test_programs_without_a_token_get_401_in_words_and_no_page(hub, broker):
    for path in ("devices", "claims", "line", "usage", "events", "history", "overview", ""):
        answer = get(hub, API + path)
        assert (answer.status_code, answer.json()["code"]) == (401, "signed-out"), path
    assert get(hub, PAGE + "metrics").status_code == 401
    assert get(hub, API + "nothing").json() == {"error": "There is nothing at this address.", "code": "unknown"}


def test_a_made_up_token_is_nobodys(hub, broker):
    assert get(hub, API, {"Authorization": "token " + "0" * 32}).status_code == 401


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        (("custom:gpus:read",), {"read"}),
        (("custom:gpus:own",), {"read", "act_for_self"}),
        ((), {"read", "act_for_self"}),
    ],
    ids=["read", "own", "all of a user's"],
)
def test_a_users_token_may_what_its_scopes_say(hub, broker, scopes, may):
    name = new_name()
    told = get(hub, API, token_of(hub, name, *scopes)).json()
    assert (told["name"], told["kind"]) == (name, "user")
    assert {right for right, has in told["may"].items() if has} == may


def test_a_user_cannot_make_a_token_for_more(hub, broker):
    answer = hub.api.call(
        "POST", f"/users/{new_name()}/tokens", {"scopes": ["custom:gpus:admin", "access:services!service=gpus"]}
    )
    assert answer.status_code in (400, 403, 404)


def test_a_token_without_access_or_without_a_scope_is_refused(hub, broker):
    hub.api.add_user(name := new_name())
    made = hub.api.call("POST", f"/users/{name}/tokens", {"scopes": ["custom:gpus:read"]}).json()
    answer = get(hub, API + "devices", {"Authorization": f"token {made['token']}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope")
    bare = hub.api.call("POST", f"/users/{name}/tokens", {"scopes": ["access:services!service=gpus"]}).json()
    assert get(hub, API + "devices", {"Authorization": f"token {bare['token']}"}).status_code == 403


def test_an_admin_of_the_hub_is_one_here_by_sign_in_and_by_a_full_token(hub, broker, admin):
    assert admin.call("GET", "").json()["may"]["admin"]
    assert get(hub, API, token_of(hub, admin.name)).json()["may"]["admin"]
    few = get(hub, API, token_of(hub, admin.name, "custom:gpus:own")).json()["may"]
    assert not few["admin"], "a token with few scopes has few rights, whoever made it"


# -- what is seen ----------------------------------------------------------------------------------------------


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


# -- what is done ----------------------------------------------------------------------------------------------


def test_an_admin_drains_a_card_with_a_reason_and_returns_it(broker, admin):
    card = broker.card(0)
    without = admin.call("POST", f"devices/{card['uuid']}/drain", {"reason": "  "})
    assert (without.status_code, without.json()["code"]) == (400, "reason")
    done = admin.call("POST", f"devices/{card['uuid']}/drain", {"reason": "new\n fan"})
    assert done.json() == {"message": "Nobody new gets this GPU now."}
    assert broker.calls[-1] == ("POST", f"/v1/devices/{card['uuid']}/drain", {"reason": f"new fan ({admin.name})"})
    assert admin.call("GET", "devices").json()["devices"][0]["state"] == "draining"
    assert admin.call("POST", f"devices/{card['uuid']}/return").ok
    assert card["state"] == "free"


def test_what_admins_do_to_others_is_in_the_audit_trail(hub, broker, person, admin):
    card = broker.card(0)
    own, claim = broker.hold(card, person.name), broker.hold(card, "lin", server="big")
    assert person.call("POST", f"claims/{own['id']}/extend", {"seconds": 60}).ok
    assert admin.call("POST", f"claims/{claim['id']}/end", {"reason": "for the course"}).ok

    def told():
        lines = hub.paths.audit.read_text(encoding="utf-8").splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == "admin-action"]

    event = wait_until(lambda: told()[-1:], "the trail has it")[0]
    assert (event["action"], event["name"], event["server"]) == ("gpu-end", "lin", "big")
    assert event["actor"] == {"kind": "admin", "name": admin.name}
    assert event["more"] == {"reason": "for the course"}
    assert event["gpus"] == [card["uuid"]]
    assert person.name not in [event["actor"]["name"] for event in told()], "what is one's own is one's own affair"


def test_a_user_extends_and_gives_back_what_is_theirs(broker, person):
    claim = broker.hold(broker.card(0), person.name)
    before = claim["lease_end"]
    assert person.call("POST", f"claims/{claim['id']}/extend", {"seconds": 3600}).ok
    assert claim["lease_end"] == before + 3600
    assert person.call("POST", f"claims/{claim['id']}/end", {}).ok
    assert broker.calls[-1][2] == {"reason": "given back by its user"}


def test_a_place_is_given_up_and_an_offer_taken(broker, person):
    ticket = broker.wait(person.name, offer={"lease_s": 1800})
    person.sees("A shorter lease of 30 minutes could start now.")
    assert person.call("POST", f"tickets/{ticket['id']}/accept", {}).ok
    assert broker.calls[-1][1] == f"/v1/tickets/{ticket['id']}/accept"
    assert (
        person.call("DELETE", f"tickets/{ticket['id']}").json()["message"] == "The place in the line is given up."
    )
    assert broker.tickets == []


def test_an_admin_moves_somebody_up_and_removes_them(broker, admin):
    first, second = broker.wait("lin"), broker.wait("wang")
    assert admin.call("POST", f"tickets/{second['id']}/move", {"place": 1}).json()["place"] == 1
    assert [ticket["user"] for ticket in broker.tickets] == ["wang", "lin"]
    assert admin.call("POST", f"tickets/{second['id']}/move", {"place": 0}).status_code == 400
    assert admin.call("DELETE", f"tickets/{first['id']}").ok


def test_the_brokers_no_reaches_the_reader_in_their_language(broker, person):
    claim = broker.hold(broker.card(0), person.name)
    broker.refuses = {"status": 409, "code": "state", "text": {"en": "Somebody waits.", "zh": "有人在等待。"}}
    answer = person.call("POST", f"claims/{claim['id']}/extend", {"seconds": 3600}, **{"Accept-Language": "zh-CN"})
    assert (answer.status_code, answer.json()) == (409, {"error": "有人在等待。", "code": "state"})


@pytest.mark.parametrize(
    "body", ["[]", "null", "{", '{"seconds": "1"}', '{"seconds": true}', '{"other": 1}', "{}"]
)
def test_nonsense_is_refused_and_reaches_nobody(hub, broker, body):
    name = new_name()
    claim = broker.hold(broker.card(0), name)
    headers = token_of(hub, name) | {"Content-Type": "application/json"}
    answer = requests.post(f"{hub.url}{API}claims/{claim['id']}/extend", data=body, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")
    assert broker.calls == []


# -- attackers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", ["ids as they are", "ids guessed"])
def test_anothers_claim_and_ticket_are_as_if_they_were_not_there(broker, person, names):
    claim, ticket = broker.hold(broker.card(0), "lin"), broker.wait("lin")
    claim_id, ticket_id = (claim["id"], ticket["id"]) if names == "ids as they are" else ("claim-99", "x")
    answers = [
        person.call("POST", f"claims/{claim_id}/extend", {"seconds": 60}),
        person.call("POST", f"claims/{claim_id}/end", {}),
        person.call("DELETE", f"tickets/{ticket_id}"),
        person.call("POST", f"tickets/{ticket_id}/accept", {}),
        person.call("GET", f"tickets/{ticket_id}/explain"),
        person.browser.get(f"{PAGE}why/{ticket_id}", headers={"X-XSRFToken": person.xsrf()}),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json()["code"] for answer in answers[:-1]} == {"unknown"}
    assert broker.calls == []


def test_what_is_for_admins_is_refused_to_users(hub, broker, person):
    card = broker.card(0)
    own = broker.wait(person.name)
    answers = [
        person.call("POST", f"devices/{card['uuid']}/drain", {"reason": "x"}),
        person.call("POST", f"devices/{card['uuid']}/return", {}),
        person.call("POST", f"tickets/{own['id']}/move", {"place": 1}),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert get(hub, PAGE + "metrics", token_of(hub, person.name)).status_code == 403
    assert broker.calls == []


def test_a_token_that_may_only_read_changes_nothing(hub, broker):
    name = new_name()
    claim, ticket = broker.hold(broker.card(0), name), broker.wait(name)
    headers = token_of(hub, name, "custom:gpus:read")
    answer = requests.post(f"{hub.url}{API}claims/{claim['id']}/end", headers=headers, timeout=30)
    assert answer.status_code == 403
    assert requests.delete(f"{hub.url}{API}tickets/{ticket['id']}", headers=headers, timeout=30).status_code == 403
    assert broker.calls == []


@pytest.mark.parametrize("headers", [{}, {"X-XSRFToken": "made-up"}, {"Sec-Fetch-Mode": "navigate"}])
def test_other_pages_cannot_send_for_a_person(hub, broker, person, admin, headers):
    ticket = broker.wait(person.name)
    person.page()
    address = f"{hub.url}{API}tickets/{ticket['id']}"
    answer = person.browser.session.delete(address, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (403, "xsrf")
    # as a form of another page would, with the token of another person in it
    form = person.browser.session.post(f"{address}/accept", data={"_xsrf": admin.xsrf()}, timeout=30)
    assert form.status_code == 403
    assert broker.calls == []


def test_a_reason_with_a_script_in_it_is_text(broker, admin):
    broker.card(0, "draining", reason=SCRIPT)
    broker.hold(broker.card(1), "lin", server=SCRIPT)
    broker.wait("wang", reason={"en": SCRIPT, "zh": SCRIPT}, request={"kind": "whole", "model": SCRIPT})
    page = admin.sees(SCRIPT)
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert") >= 4


def test_every_answer_is_framed_by_nobody_and_runs_no_script_of_others(broker, person):
    for path in (PAGE, PAGE + "usage", PAGE + "nothing", API, PAGE + "static/gpus.js"):
        headers = person.browser.get(path).headers
        assert headers["X-Frame-Options"] == "DENY", path
        assert headers["X-Content-Type-Options"] == "nosniff", path
    page = person.page()
    policy = dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; "))
    assert policy["frame-ancestors"] == "'none'"
    assert policy["default-src"] == "'none'"
    nonce = re.search(r"'nonce-([^']+)'", policy["script-src"])[1]
    assert "unsafe" not in policy["script-src"]
    scripts = re.findall(r"<script\b[^>]*>", page.text)
    assert scripts
    assert all(f'nonce="{nonce}"' in script for script in scripts)
    assert nonce not in person.page().text, "each answer has its own"


def test_no_file_but_the_two_is_served(hub, broker):
    for path in ("../api.py", "%2e%2e/api.py", "..%2fapi.py", "", "nothing.js"):
        assert get(hub, f"{PAGE}static/{path}").status_code in (403, 404), path


# -- live ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def stream(hub: RunningHub, path: str, **kwargs: Any) -> Iterator[Iterator[str]]:
    with contextlib.closing(
        requests.get(hub.url + path, stream=True, timeout=30, allow_redirects=False, **kwargs)
    ) as answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield (line.decode() for line in answer.iter_lines())


def read_until(lines: Iterator[str], wanted: str) -> list[str]:
    """Lines up to the first that has `wanted` in it; a silent stream has lines, too, so the bound is met."""
    read: list[str] = []
    deadline = time.monotonic() + STREAM_WITHIN_S
    for line in lines:
        read.append(line)
        if wanted in line:
            return read
        if time.monotonic() > deadline:
            break
    raise AssertionError(f"the stream did not say {wanted!r}: {read[-5:]}")


def test_the_page_is_told_what_changes_and_that_the_broker_went_and_came(hub, broker, person):
    broker.card(0)
    path = f"{PAGE}live?_xsrf={person.xsrf()}"
    with stream(hub, path, cookies=person.browser.session.cookies, headers={"Sec-Fetch-Mode": "cors"}) as lines:
        read_until(lines, "Nobody waits for a GPU.")
        broker.wait(person.name)
        broker.tell("ticket-new", user=person.name)
        read_until(lines, "You wait at place 1")
        broker.wait("lin")
        broker.tell("ticket-new", user="lin")
        assert '"mine"' not in read_until(lines, "2 people wait")[-1], "what has not changed is not sent again"
        broker.stop()
        read_until(lines, "The GPU broker does not answer.")
        broker.start()
        said = read_until(lines, '"status"')[-1]
        assert "does not answer" not in said


def test_a_stream_needs_the_pages_token(broker, person):
    answer = person.browser.get(f"{PAGE}live", headers={"Sec-Fetch-Mode": "cors"})
    assert answer.status_code == 403


def test_programs_hear_their_own_events_and_catch_up(hub, broker):
    name = new_name()
    broker.tell("grant", user="lin", text={"en": "private", "zh": "private"})
    mine = broker.tell("grant", user=name)
    with stream(hub, f"{API}events?after=0", headers=token_of(hub, name)) as lines:
        read = read_until(lines, f'"user": "{name}"')
        assert f"id: {mine['id']}" in read
        assert not any("private" in line for line in read)
    last = {"Last-Event-ID": str(mine["id"])}
    with stream(hub, f"{API}events", headers=token_of(hub, name) | last) as lines:
        broker.tell("ended", user=name)
        assert not any('"grant"' in line for line in read_until(lines, '"ended"'))


def test_without_a_broker_the_page_says_so_and_programs_get_503(person):
    person.sees("The GPU broker does not answer.", "This page tries again by itself.")
    answer = person.call("GET", "devices")
    assert (answer.status_code, answer.json()["code"]) == (503, "broker-silent")
    assert person.call("DELETE", "tickets/x").status_code == 503
    assert person.page("usage").status_code == 503


def test_who_signs_out_is_out_here_too(hub, broker, visitor):
    assert visitor.call("GET", "").ok
    token = visitor.xsrf()
    visitor.browser.get("/hub/logout")
    answer = visitor.browser.session.get(
        hub.url + API + "devices", headers={"X-XSRFToken": token, "Sec-Fetch-Mode": "cors"}, timeout=30
    )
    assert answer.status_code in (401, 403)


def test_a_killed_console_comes_back_and_nobody_signs_in_anew(hub, broker, person):
    token = person.xsrf()
    hub.kill9_console()
    hub.start_console()
    answer = person.browser.session.get(
        hub.url + API, headers={"X-XSRFToken": token, "Sec-Fetch-Mode": "cors"}, timeout=30
    )
    assert answer.json()["name"] == person.name


# -- use and metrics -------------------------------------------------------------------------------------------


def test_use_is_everybodys_for_admins_and_ones_own_for_users(broker, person, admin):
    department(broker)
    table = admin.call("GET", "usage?by=user").json()["usage"]
    assert [row["user"] for row in table] == ["garcia", "lin", "wang", "okafor"]
    assert person.call("GET", "usage").json()["usage"][0]["gpu_hours"] == 40.5
    assert len(person.call("GET", "usage?by=user,group").json()["usage"]) == 1
    assert "garcia" not in person.page("usage?by=user").text
    assert "212.4" in admin.page("usage").text


def test_use_as_csv(broker, admin):
    department(broker)
    broker.usage[0]["user"] = "=cmd()"
    answer = admin.call("GET", "usage?by=user&format=csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert answer.text.splitlines()[:2] == ["user,gpu_hours,claims", "'=cmd(),212.4,31"]


def test_a_wrong_month_is_said_on_the_page_and_to_programs(broker, person):
    assert "A month is written as 2026-11." in words(person.page("usage?from=may").text)
    assert person.call("GET", "usage?from=may").status_code == 400


def test_prometheus_reads_with_the_hubs_own_scope_for_metrics(hub, broker):
    answer = get(hub, PAGE + "metrics", {"Authorization": f"token {METRICS_TOKEN}"})
    assert answer.status_code == 200
    assert "tf29hub_gpus 4" in answer.text
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
