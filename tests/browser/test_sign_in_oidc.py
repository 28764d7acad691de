"""From the sign-in page by a real provider's own login page to a running kernel, and out again.

The provider is Canaille; screenshots are in tests/output/sign_in_oidc.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator

import docker
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from jupyterhub_tf29.i18n import in_language
from jupyterhub_tf29.image.pin import Pin
from tests.browser.steps import PATIENCE_MS, run_in_a_notebook
from tests.hubs.running import RunningHub
from tests.openid.canaille import Canaille
from tests.ours import find_free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.image, pytest.mark.hub, pytest.mark.browser]

PASSWORD = "walnut-harbour-seven"
PEOPLE = {
    "ada": {"given_name": "Ada", "family_name": "Lovelace", "emails": ["ada@example.edu"], "password": PASSWORD},
    "wang.fang": {"given_name": "芳", "family_name": "王", "emails": ["wang@example.edu"], "password": PASSWORD},
    "visitor": {"family_name": "Visitor", "emails": ["visitor@example.edu"], "password": PASSWORD},
}
ISSUER = "http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def university(
    engine: docker.DockerClient, notebook_image: Pin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningHub, Canaille]]:
    """A hub and its provider, which knows three people; two of them may use GPUs, one of those is an admin."""
    port, folder = find_free_port(), tmp_path_factory.mktemp("canaille")
    method = {
        "type": "oidc", "label": "Example University", "issuer": ISSUER.format(port=port), "client_id": "tf29hub",
        "allowed_groups": ["gpu-users"], "admin_groups": ["gpu-admins"], "refresh": "2s",
    }  # fmt: skip
    settings = {"sign_in": {"methods": [method]}, "limits": {"memory": "3G", "processes": 4096, "cpus": 2}}
    hub = RunningHub(tmp_path_factory.mktemp("hub") / "oidc", engine, notebook_image.image_id, settings=settings)
    with contextlib.closing(hub):
        provider = Canaille(
            folder, f"{hub.url}/hub/login/oidc/oauth_callback", port, users=PEOPLE,
            groups={"gpu-users": ["ada", "wang.fang"], "gpu-admins": ["wang.fang"]},
        )  # fmt: skip
        secret = hub.paths.secrets / "oidc-client-secret"
        secret.write_text(provider.client_secret)
        secret.chmod(0o600)
        with provider:
            hub.start()
            yield hub, provider


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """As the folder's own, but uncaught errors in pages do not fail the test: the provider's are not ours."""
    contexts: list[BrowserContext] = []

    def make(locale: str = "en-GB", width: int = 1280, height: int = 800) -> Page:
        contexts.append(chromium.new_context(locale=locale, viewport={"width": width, "height": height}))
        return contexts[-1].new_page()

    yield make
    for context in contexts:
        context.close()


def sign_in_there(page: Page, name: str) -> None:
    """Canaille asks for the name and then, on a page of its own, for the password."""
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=login]").press("Enter")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("input[name=password]").press("Enter")


def test_from_the_sign_in_page_to_a_kernel_and_out(
    university: tuple[RunningHub, Canaille], new_page: Callable[..., Page], shoot: Callable[[Page, str], None]
) -> None:
    hub, provider = university
    page = new_page()
    page.goto(hub.url)
    button = page.get_by_role("button", name="Example University")
    expect(button).to_be_visible()
    shoot(page, "1-sign-in")
    button.click()
    expect(page).to_have_url(re.compile(re.escape(provider.issuer)))
    shoot(page, "2-provider")
    sign_in_there(page, "ada")
    page.wait_for_url(f"{hub.url}/hub/**")
    shoot(page, "3-menu")

    page.goto(f"{hub.url}/hub/spawn")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(f"{hub.url}/user/ada/lab**", timeout=PATIENCE_MS)
    run_in_a_notebook(page, "import getpass, os\nprint('I am', os.environ['JUPYTERHUB_USER'])")
    expect(page.locator(".jp-OutputArea-output")).to_contain_text("I am ada", timeout=PATIENCE_MS)
    shoot(page, "4-kernel")

    provider.put(groups={"gpu-users": ["wang.fang"]})
    wait_until(lambda: _is_turned_away(page, f"{hub.url}/hub/home"), "ada is out of the hub", timeout=60)
    shoot(page, "5-out")
    page.get_by_role("button", name="Example University").click()
    expect(page.locator("#refused-because")).to_contain_text("your account may not use this hub")
    shoot(page, "6-refused")
    assert provider.client_secret not in hub.log()


def _is_turned_away(page: Page, url: str) -> bool:
    page.goto(url)
    return "/hub/login" in page.url


def test_an_admin_in_chinese_signs_out(
    university: tuple[RunningHub, Canaille], new_page: Callable[..., Page], shoot: Callable[[Page, str], None]
) -> None:
    hub, _ = university
    page = new_page("zh-CN", width=390)
    page.goto(f"{hub.url}/hub/admin")
    shoot(page, "7-chinese")
    page.get_by_role("button", name="Example University").click()
    sign_in_there(page, "wang.fang")
    expect(page).to_have_url(f"{hub.url}/hub/admin")
    shoot(page, "8-admin")
    page.goto(f"{hub.url}/hub/logout")
    page.goto(f"{hub.url}/hub/home")
    expect(page).to_have_url(re.compile("/hub/login"))


def test_who_is_in_no_group_is_told_so(
    university: tuple[RunningHub, Canaille], new_page: Callable[..., Page], shoot: Callable[[Page, str], None]
) -> None:
    hub, _ = university
    page = new_page("zh-CN")
    page.goto(hub.url)
    page.get_by_role("button", name="Example University").click()
    sign_in_there(page, "visitor")
    told = "You are signed in at {label}, but your account may not use this hub. Ask its admins."
    expect(page.locator("#refused-because")).to_have_text(
        in_language("zh")(told).format(label="Example University")
    )
    shoot(page, "9-refused-chinese")
    assert page.url.startswith(f"{hub.url}/hub/login/oidc/oauth_callback")
    page.goto(f"{hub.url}/hub/home")
    expect(page).to_have_url(re.compile("/hub/login"))
