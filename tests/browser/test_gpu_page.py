"""The page about GPUs in a real browser, on a whole hub with broker whose driver alone is not real (tests/gpulab).

A user waits on a phone and gives up with the keyboard; the next one's page moves without being loaded again, until
it opens the workspace. An admin drains, returns, extends and ends; the broker is killed under their eyes.
Screenshots are in tests/output/gpu_page.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from jupyterhub_tf29.i18n import in_language
from tests.gpulab.engine import GpuEngine
from tests.hubs.gpuhub import GpuHub

pytestmark = [pytest.mark.docker, pytest.mark.hub, pytest.mark.browser]

GPU = {"profile": "gpu"}
SOON_MS = 30_000
SCRIPT = "new fan <script>document.title = 'taken over'</script>"


@pytest.fixture(scope="module")
def shared_hub(
    gpu_engine: GpuEngine, stub_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GpuHub]:
    gpu_engine.lab.start(gpus=4, driver="535.104.05-gpulab")
    folder = tmp_path_factory.mktemp("gpupage") / "hub"
    with contextlib.closing(GpuHub(folder, gpu_engine, stub_image)) as running:
        running.start()
        running.start_console()
        running.add_account("boss", admin=True)
        yield running


@pytest.fixture
def hub(shared_hub: GpuHub) -> Iterator[GpuHub]:
    """Four GPUs, nobody on them; at the end nobody waits, and all that ran is stopped."""
    yield shared_hub
    for ticket in shared_hub.broker.get("/v1/tickets")["tickets"]:
        shared_hub.broker.delete(f"/v1/tickets/{ticket['id']}")
    for container in shared_hub.containers():
        shared_hub.api.stop(container.labels["tf29hub.user"], container.labels["tf29hub.server"])
    for device in shared_hub.broker.get("/v1/devices")["devices"]:
        if device["state"] in ("draining", "quarantined"):
            shared_hub.broker.post(f"/v1/devices/{device['uuid']}/return")
    shared_hub.wait_free(4)


@pytest.fixture
def watch(chromium: Browser, hub: GpuHub) -> Iterator[Callable[..., Page]]:
    """`watch("ada")`: their browser, at the page about GPUs. Whatever it logs as an error fails the test."""
    with contextlib.ExitStack() as stack:
        errors: list[str] = []

        def open_page(name: str, locale: str = "en-GB", width: int = 1280, dark: bool = False) -> Page:
            scheme = "dark" if dark else "light"
            context = chromium.new_context(
                locale=locale,
                viewport={"width": width, "height": 844},
                color_scheme=scheme,
                reduced_motion="reduce",
            )
            stack.callback(context.close)
            page = context.new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on(
                "console", lambda said: errors.append(said.text) if _is_our_fault(said.text, said.type) else None
            )
            if name not in hub._account_names():
                hub.add_account(name)
            page.goto(f"{hub.url}/hub/login")
            page.fill("#username_input", name)
            page.fill("#password_input", hub.password)
            page.click("#login_submit")
            page.wait_for_url(lambda url: "/hub/login" not in url)
            page.goto(f"{hub.url}/services/gpus/")
            return page

        yield open_page
    assert errors == []


def _is_our_fault(text: str, kind: str) -> bool:
    """A connection that is lost when the broker or the hub goes is told as an error, too."""
    return kind == "error" and "Failed to load resource" not in text


def shot(page: Page, shoot: Callable[[Page, str], None], name: str) -> None:
    """Of the whole page, which must not be wider than the screen."""
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"], f"{name}: the page is {width} px wide"
    height = page.evaluate("document.documentElement.scrollHeight")
    before = page.viewport_size
    page.set_viewport_size({"width": before["width"], "height": max(before["height"], height)})
    shoot(page, name)
    page.set_viewport_size(before)


def wait_in_line(hub: GpuHub, name: str) -> str:
    """Press Start where all is taken. Returns the ticket's id."""
    assert hub.api.ask_start(name, options=GPU).status_code == 409
    ticket = hub.ticket(name)
    assert ticket is not None
    return ticket["id"]


def press(page: Page, selector: str) -> None:
    """As a person without a mouse: walk there with Tab, press Enter."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"Tab does not reach {selector}")


def test_a_place_in_the_line_from_waiting_to_the_open_workspace(hub, watch, shoot):
    _ = in_language("zh")
    for name in ("ada", "bea", "cleo", "dan"):
        hub.api.start(name, options=GPU)
    lin, mia = wait_in_line(hub, "lin"), wait_in_line(hub, "mia")

    phone = watch("lin", locale="zh-CN", width=390)
    expect(phone.locator(f"#mine-{lin}")).to_contain_text(_("You wait at place {place}").format(place=1))
    expect(phone.locator("#not-real")).to_contain_text(_("These GPUs are not real."))
    expect(phone.locator("#gpus")).not_to_contain_text("bea")
    shot(phone, shoot, "waiting-phone-zh")

    desk = watch("mia")
    expect(desk.locator(f"#mine-{mia}")).to_contain_text("You wait at place 2")
    desk.evaluate("window.neverLoadedAgain = true")
    press(phone, f"#mine-give-up-{lin}")
    expect(phone.locator("#done")).to_contain_text(_("The place in the line is given up."), timeout=SOON_MS)
    expect(phone.locator(f"#mine-{lin}")).to_have_count(0)
    expect(desk.locator(f"#mine-{mia}")).to_contain_text("You wait at place 1", timeout=SOON_MS)
    desk.get_by_text("Why not yet?").click()
    expect(desk.locator(f"#mine-why-{mia}")).to_contain_text("It needs 1; 0 of those that fit are free.")
    expect(desk).to_have_title(re.compile(r"^\(1\) GPUs"))
    shot(desk, shoot, "waiting")

    hub.api.stop("ada")
    opened = desk.locator(f"#mine-open-{mia}")
    expect(opened).to_be_visible(timeout=60_000)
    expect(desk).to_have_title(re.compile("^It is your turn"))
    shot(desk, shoot, "my-turn")
    assert desk.evaluate("window.neverLoadedAgain"), "all that without loading the page again"
    opened.click()
    desk.wait_for_url("**/user/mia/**")


def test_an_admin_at_work(hub, watch, shoot):
    for name in ("ada", "bea"):
        hub.api.start(name, options=GPU)
    (busy,), (other,) = hub.held("ada"), hub.held("bea")
    spare = next(uuid for uuid in hub.lab.uuids if uuid not in (busy, other))
    hub.lab.train(hub.container("ada").id, busy, mib=31000, util=93)
    page = watch("boss")
    card = page.locator(f"#card-{busy}")
    expect(card).to_contain_text("93 %", timeout=SOON_MS)
    expect(card).to_contain_text("ada")

    # drain, by keyboard, with words that would like to be a script
    press(page, f"#drain-{spare}")
    expect(page.locator("#ask")).to_be_visible()
    expect(page.locator("#ask-reason")).to_be_focused()
    shoot(page, "drain-dialog")
    page.keyboard.press("Enter")
    expect(page.locator("#ask")).to_be_visible()  # a reason is needed
    page.keyboard.type(SCRIPT)
    page.keyboard.press("Enter")
    expect(page.locator("#done")).to_contain_text("Nobody new gets this GPU now.", timeout=SOON_MS)
    expect(page.locator(f"#why-{spare}")).to_contain_text(f"{SCRIPT} (boss)", timeout=SOON_MS)
    expect(page).not_to_have_title("taken over")

    # extend, then end somebody's lease with a reason
    claim = hub.claims("bea")[0]
    page.locator(f"#extend-{claim['id']}-{other}").click()
    page.locator("#ask-seconds").select_option("7200")
    page.locator("#ask-ok").click()
    expect(page.locator("#done")).to_contain_text("The lease is longer now.", timeout=SOON_MS)
    assert hub.claims("bea")[0]["lease_end"] == pytest.approx(claim["lease_end"] + 7200, abs=5)
    shot(page, shoot, "admin")
    page.locator(f"#end-{claim['id']}-{other}").click()
    page.locator("#ask-cancel").click()
    assert hub.claims("bea"), "cancelled is not done"
    page.locator(f"#end-{claim['id']}-{other}").click()
    page.locator("#ask-reason").fill("the machine is needed")
    page.locator("#ask-ok").click()
    expect(page.locator(f"#card-{other}")).to_have_attribute("data-state", "free", timeout=60_000)

    page.locator(f"#return-{spare}").click()
    page.locator("#ask-ok").click()
    expect(page.locator(f"#card-{spare}")).to_have_attribute("data-state", "free", timeout=SOON_MS)

    # a card fails; the broker is killed, and comes back
    hub.lab.xid(spare, 79)
    expect(page.locator(f"#card-{spare}")).to_have_attribute("data-state", "quarantined", timeout=SOON_MS)
    dark = watch("boss", dark=True)
    expect(dark.locator(f"#card-{spare}")).to_have_attribute("data-state", "quarantined")
    shot(dark, shoot, "admin-dark")
    hub.kill9_broker()
    expect(page.locator("#broker-silent")).to_contain_text("The GPU broker does not answer.", timeout=SOON_MS)
    expect(page.locator(f"#return-{spare}")).to_be_disabled()
    expect(card).to_contain_text("ada")  # what was known is still there
    shot(page, shoot, "broker-silent")
    hub.start_broker()
    expect(page.locator("#broker-silent")).to_have_count(0, timeout=SOON_MS)
    expect(page.locator(f"#return-{spare}")).to_be_enabled()

    page.get_by_role("link", name="Use by month").click()
    expect(page.locator("#usage")).to_contain_text("ada")
    shot(page, shoot, "usage")
    with page.expect_download() as download:
        page.locator("#csv").click()
    assert "ada," in download.value.path().read_text(encoding="utf-8")


def test_the_same_on_a_phone_and_in_chinese(hub, watch, shoot):
    hub.api.start("ada", options=GPU)
    hub.lab.train(hub.container("ada").id, hub.held("ada")[0], mib=20000, util=71)
    phone = watch("ada", width=390)
    expect(phone.locator("#mine-title")).to_be_visible()
    shot(phone, shoot, "holding-phone")
    phone.get_by_role("button", name="Toggle navigation").click()
    expect(phone.locator("#nav-gpus")).to_be_visible()
    admin = watch("boss", locale="zh-CN")
    expect(admin.locator("#line-title")).to_contain_text("队列")
    shot(admin, shoot, "admin-zh")
    phone.locator("button[id^=mine-end-]").click()
    phone.locator("#ask-ok").click()
    expect(phone.locator("#done")).to_contain_text("The workspace is being stopped", timeout=SOON_MS)
    expect(phone.locator("#mine-title")).to_have_count(0, timeout=60_000)
