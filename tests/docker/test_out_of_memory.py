"""A workspace that reaches its memory limit: its user is told, with the limit and what was measured last."""

from __future__ import annotations

import json

import pytest

from tests.docker.inside import run_python, try_python
from tests.hubs.browser import words
from tests.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.hub]

# as a kernel that loads too much does: small steps, each written to
EAT = """
pieces = []
while True:
    pieces.append(bytearray(8 * 2**20))
"""


def notices(container) -> list[dict]:
    read = "import pathlib; print(pathlib.Path('/run/tf29hub/notices.json').read_text())"
    return json.loads(run_python(container, read))["notices"]


def test_a_child_that_is_killed_leaves_the_server_up_and_a_notice_inside(stub_hub):
    with stub_hub.browser("tina") as browser:
        stub_hub.api.start("tina", options={"profile": "small"})
        container = stub_hub.container("tina")
        assert notices(container) == []
        code, output = try_python(container, EAT)
        assert code == 137, output
        (notice,) = wait_until(lambda: notices(container), "the notice is inside", 15)
        assert notice["level"] == "error"
        assert "256 MiB" in notice["text"]["en"]
        assert "256 MiB" in notice["text"]["zh"]
        assert notice["text"]["zh"] != notice["text"]["en"]
        container.reload()
        assert container.status == "running"
        assert stub_hub.api.server("tina")["ready"]
        stub_hub.api.stop("tina")
        assert "256 MiB" in words(browser.menu().text), "the menu tells it, too"
    line = next(line for line in stub_hub.log().splitlines() if "out of memory" in line and "tina" in line)
    assert f"{stub_hub.name}-tina" in line


def test_the_notice_says_what_was_measured_last(stub_hub):
    stub_hub.api.start("ute", options={"profile": "small"})
    container = stub_hub.container("ute")
    hold = "import time; held = bytearray(100 * 2**20); print('holding', flush=True); time.sleep(45)"
    container.exec_run(["python3", "-c", hold], detach=True)
    # one sample every ten seconds: kill only when there has been one that saw the 100 MiB
    wait_until(lambda: in_use(container) > 100 * 2**20, "100 MiB are held")
    run_python(container, "import time; time.sleep(12)")
    try_python(container, EAT)
    (notice,) = wait_until(lambda: notices(container), "the notice is inside", 15)
    assert " MiB, " in notice["text"]["en"], notice["text"]["en"]
    measured = float(notice["text"]["en"].split("last measured: ")[1].split(" MiB")[0])
    assert 100 <= measured <= 256
    stub_hub.api.stop("ute")


def test_the_server_itself_killed_is_told_as_that(stub_hub):
    with stub_hub.browser("vera") as browser:
        stub_hub.api.start("vera", options={"profile": "small"})
        container = stub_hub.container("vera")
        # the kernel takes the most eligible process first: make that the server
        run_python(container, "open('/proc/1/oom_score_adj', 'w').write('1000')")
        try_python(container, EAT)
        stub_hub.api.wait_stopped("vera", timeout=20)
        wait_until(lambda: stub_hub.containers("vera") == [], "its container is gone")
        page = words(browser.menu().text)
        assert "Your workspace was stopped because it reached its memory limit of 256 MiB" in page
    stub_hub.api.start("vera")
    stub_hub.api.stop("vera")


def in_use(container) -> int:
    return container.stats(stream=False)["memory_stats"]["usage"]
