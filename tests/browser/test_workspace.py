"""A person in JupyterLab is told what happens to their workspace: the real image, a real Lab, a real browser.

The container is limited and stripped as the Hub's are. Lab runs in it without a Hub, which the extension does not
need: the file of notices, which the Hub would write, is written here.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import docker
import pytest
import requests
from docker.models.containers import Container
from docker.types import Mount
from playwright.sync_api import Locator, Page, expect

from tests.docker.inside import run_python, try_python
from tests.ours import NAME_LABEL
from tests.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.image, pytest.mark.browser]

HOME = "/home/jovyan"
HOME_MIB = 24
TOKEN = secrets.token_hex(8)
OVER_THE_LIMIT = "x = bytearray(10**10)"
TOAST = ".jp-toastContainer .jp-toast-message"
OWN_OOM = "reached the memory limit of 1 GiB"
# Longer than two polls of the page and its patience with the Hub.
SOON_MS = 60_000

COMMAND = f"""
. /etc/profile.d/tf29.sh
export JUPYTER_RUNTIME_DIR=/tmp/jupyter-runtime JUPYTER_DATA_DIR=/tmp/jupyter-data
exec /opt/jupyter/bin/jupyter-lab --ip=0.0.0.0 --no-browser --IdentityProvider.token={TOKEN} \\
    --TF29Workspace.space_every_s=1
"""


class Workspace:
    """One running container and the folder of its notices."""

    def __init__(self, container: Container, notices: Path) -> None:
        self.container, self._notices = container, notices
        port = container.attrs["NetworkSettings"]["Ports"]["8888/tcp"][0]["HostPort"]
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, token: str = TOKEN) -> requests.Response:
        return requests.get(f"{self.url}/{path}", headers={"Authorization": f"token {token}"}, timeout=30)

    def status(self) -> dict[str, Any]:
        response = self.get("tf29/status")
        assert response.status_code == 200, response.text
        return response.json()

    def answers(self) -> bool:
        try:
            return self.get("api/status").ok
        except requests.ConnectionError:
            return False

    def notify(self, *notices: dict[str, Any]) -> None:
        """Replace the file as the Hub does: in one step."""
        half = self._notices / ".notices.json"
        half.write_text(json.dumps({"notices": notices}), encoding="utf-8")
        half.replace(self._notices / "notices.json")

    def run_out_of_memory(self) -> None:
        assert try_python(self.container, OVER_THE_LIMIT)[0] == 137

    def open(self, page: Page) -> None:
        page.goto(f"{self.url}/lab?token={TOKEN}")
        expect(page.locator("#tf29-workspace-home")).to_be_visible(timeout=SOON_MS)


def pass_time(page: Page, polls: int) -> None:
    """Turn the page's own clock until it has asked the server `polls` times more."""
    asked: list[str] = []
    page.on("response", lambda response: "/tf29/status" in response.url and asked.append(response.url))
    wait_until(lambda: page.clock.fast_forward(5000) or len(asked) >= polls, f"the page asks {polls} times")


def pass_time_until(page: Page, part: Locator) -> None:
    """Turn the page's own clock until `part` is seen: for what the server measures in its own time."""
    wait_until(lambda: page.clock.fast_forward(5000) or part.is_visible(), f"{part} is seen")


def notice(key: str, english: str, chinese: str, level: str = "warning", age_h: float = 0) -> dict[str, Any]:
    time = datetime.now(timezone.utc) - timedelta(hours=age_h)
    return {
        "id": key,
        "time": time.isoformat(timespec="seconds"),
        "level": level,
        "text": {"en": english, "zh": chinese},
    }


@pytest.fixture
def workspace(engine: docker.DockerClient, made: str, notebook_image: Any, tmp_path: Path) -> Iterator[Workspace]:
    notices = tmp_path / "notices"
    notices.mkdir(mode=0o755)
    labels = {NAME_LABEL: made}
    size = {"type": "tmpfs", "device": "tmpfs", "o": f"size={HOME_MIB}m,uid=1000,gid=1000"}
    home = engine.volumes.create(f"{made}-{secrets.token_hex(4)}", driver_opts=size, labels=labels)
    container = engine.containers.run(
        notebook_image.image_id,
        ["sh", "-c", COMMAND],
        detach=True,
        labels=labels,
        mem_limit="1g",
        memswap_limit="1g",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=500,
        ports={"8888/tcp": ("127.0.0.1", None)},
        mounts=[
            Mount(HOME, home.name),
            Mount("/run/tf29hub", str(notices), type="bind", read_only=True),
        ],
    )
    container.reload()
    running = Workspace(container, notices)
    try:
        wait_until(running.answers, "Lab answers", timeout=60)
        yield running
    finally:
        container.remove(force=True)
        home.remove()


def test_the_state_is_for_the_user_alone_and_asking_is_no_activity(workspace: Workspace) -> None:
    before = workspace.get("api/status").json()["last_activity"]
    status = wait_until(
        lambda: (now := workspace.status())["home"]["used_bytes"] is not None and now, "the home is measured"
    )
    assert status["memory"]["limit_bytes"] == 2**30
    assert 0 < status["memory"]["used_bytes"] < 2**30
    assert status["oom_kills"] == 0
    assert status["notices"] == []
    assert status["home_full"] is False
    assert status["home"]["total_bytes"] == HOME_MIB << 20
    assert workspace.get("tf29/status", token="wrong").status_code == 403
    assert workspace.get("api/status").json()["last_activity"] == before


def test_a_start_pays_next_to_nothing_for_the_extension(workspace: Workspace) -> None:
    """What a server has not imported anyway, the extension does not import either."""
    code = (
        "import sys, jupyterlab.labapp\n"
        "before = set(sys.modules)\n"
        "import tf29_workspace.handlers\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    result = workspace.container.exec_run(["/opt/jupyter/bin/python", "-c", code])
    own = ["tf29_workspace"] + [f"tf29_workspace.{part}" for part in ("handlers", "home", "memory", "notices")]
    assert result.output.decode().split() == own


@pytest.mark.parametrize(
    ("locale", "memory", "home", "said", "oom"),
    [
        ("en-GB", r"^Memory 0\.\d / 1 GiB$", r"^Home \d", "Maintenance tonight", OWN_OOM),
        ("zh-CN", r"^内存 0\.\d / 1 GiB$", r"^主目录 \d", "今晚维护", "因达到 1 GiB 的内存上限而被终止"),
    ],
)
def test_state_notices_and_kills_are_told_in_the_readers_language(
    workspace: Workspace,
    new_page: Callable[..., Page],
    shoot: Callable[[Page, str], None],
    locale: str,
    memory: str,
    home: str,
    said: str,
    oom: str,
) -> None:
    page = new_page(locale)
    workspace.open(page)
    expect(page.locator("#tf29-workspace-memory")).to_have_text(re.compile(memory))
    expect(page.locator("#tf29-workspace-home")).to_have_text(re.compile(home))
    workspace.notify(notice("a-1", "Maintenance tonight", "今晚维护"))
    workspace.run_out_of_memory()
    expect(page.locator(TOAST, has_text=said)).to_be_visible(timeout=SOON_MS)
    expect(page.locator(TOAST, has_text=oom)).to_be_visible(timeout=SOON_MS)
    shoot(page, f"told-{locale}")
    page.locator(".jp-toast-button", has_text=re.compile("Details|详情")).first.click()
    expect(page.locator(".jp-Dialog")).to_contain_text(oom)
    shoot(page, f"details-{locale}")


def test_a_notice_is_told_once_and_old_ones_not_at_all(
    workspace: Workspace, new_page: Callable[..., Page]
) -> None:
    page = new_page()
    workspace.notify(notice("old-1", "Last week", "上周", age_h=30), notice("new-1", "Just now", "刚才"))
    workspace.open(page)
    expect(page.locator(TOAST)).to_have_text(["Just now"], timeout=SOON_MS)
    workspace.notify(notice("new-1", "Just now", "刚才"), notice("new-2", "And this", "还有"))
    workspace.open(page)
    expect(page.locator(TOAST)).to_have_text(["And this"], timeout=SOON_MS)


def test_a_long_notice_is_a_click_away_in_full(
    workspace: Workspace, new_page: Callable[..., Page], shoot: Callable[[Page, str], None]
) -> None:
    page = new_page()
    workspace.open(page)
    text = "word " * 60 + "the end."
    workspace.notify(notice("long-1", text, "长"))
    page.locator(".jp-toast-button", has_text="Details").click(timeout=SOON_MS)
    expect(page.locator(".jp-Dialog")).to_contain_text("the end.")
    shoot(page, "long-notice")


def test_one_kill_is_told_once_in_the_hubs_words(workspace: Workspace, new_page: Callable[..., Page]) -> None:
    """The page's clock is turned forward past the moment at which its own words would come."""
    page = new_page()
    page.clock.install()
    workspace.open(page)
    workspace.run_out_of_memory()
    pass_time(page, polls=1)  # the page knows of the kill now, and waits for the Hub
    workspace.notify(notice("oom-1", "The Hub knows more", "中心知道得更多", level="error"))
    pass_time(page, polls=4)
    expect(page.locator(TOAST)).to_have_text(["The Hub knows more"])


def test_a_late_word_of_the_hub_replaces_the_pages_own(
    workspace: Workspace, new_page: Callable[..., Page]
) -> None:
    page = new_page()
    page.clock.install()
    workspace.open(page)
    workspace.run_out_of_memory()
    pass_time(page, polls=3)
    expect(page.locator(TOAST)).to_contain_text([OWN_OOM])
    workspace.notify(notice("oom-1", "The Hub knows more", "中心知道得更多", level="error"))
    pass_time(page, polls=1)
    expect(page.locator(TOAST)).to_have_text(["The Hub knows more"])


def test_a_kill_while_nobody_looked_is_told_on_return(workspace: Workspace, new_page: Callable[..., Page]) -> None:
    workspace.run_out_of_memory()
    page = new_page()
    page.clock.install()
    workspace.open(page)
    pass_time(page, polls=3)
    expect(page.locator(TOAST, has_text=OWN_OOM)).to_be_visible()
    workspace.open(page)  # and not again
    workspace.notify(notice("next-1", "Something else", "别的"))
    pass_time(page, polls=3)
    expect(page.locator(TOAST)).to_have_text(["Something else"])


def test_a_home_that_fills_up_is_told_with_what_to_do(
    workspace: Workspace, new_page: Callable[..., Page], shoot: Callable[[Page, str], None]
) -> None:
    page = new_page()
    page.clock.install()
    workspace.open(page)
    fill = f"open('{HOME}/' + {{!r}}, 'wb').write(bytes({{}} << 10))"
    run_python(workspace.container, fill.format("data", int(HOME_MIB * 1024 * 0.93)))
    pass_time_until(page, page.locator(TOAST, has_text="% full"))
    shoot(page, "nearly-full")
    assert "No space left" in try_python(workspace.container, fill.format("more", HOME_MIB * 1024))[1]
    pass_time_until(page, page.locator(TOAST, has_text="Your home is full"))
    expect(page.locator("#tf29-workspace-home")).to_have_text("Home is full")
    expect(page.locator(TOAST)).to_have_count(1)  # instead of the first, not beside it
    shoot(page, "full")
    page.locator(".jp-toast-button", has_text="Details").click()
    expect(page.locator(".jp-Dialog")).to_contain_text("rm -r")
    shoot(page, "full-details")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    run_python(workspace.container, f"import os; os.remove('{HOME}/data'); os.remove('{HOME}/more')")
    pass_time_until(page, page.locator("#tf29-workspace-home", has_text=re.compile(r"^Home \d")))
    expect(page.locator(TOAST)).to_have_count(0)
