"""What a server imports until it answers, for that is nearly all of a start's CPU time.

A new dependency that drags something in is seen here the day it comes. If it is meant, put its name into
idle_server_modules.txt; docs/performance.md says what imports cost.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jupyterhub_tf29.image.box import PREFIX, opened

pytestmark = [pytest.mark.docker, pytest.mark.image]

LISTED = Path(__file__).parent / "idle_server_modules.txt"
AT_MOST = 880
"""Modules in all, the standard library's and submodules included; 845 when this was written."""

PORT = 8899
START = f"""
PYTHONPROFILEIMPORTTIME=1 JUPYTERHUB_SERVICE_URL=http://127.0.0.1:{PORT}{PREFIX} start-server >/tmp/server 2>&1 &
for _ in $(seq 600); do
  curl -sf --max-time 5 http://127.0.0.1:{PORT}{PREFIX}api >/dev/null && break
  sleep 0.1
done
curl -sf --max-time 5 http://127.0.0.1:{PORT}{PREFIX}api >/dev/null || {{ tail -n 5 /tmp/server >&2; exit 1; }}
kill $!
grep '^import time:' /tmp/server | sed 's/.*| *//' | /opt/jupyter/bin/python -c '
import importlib.util, sys
for name in sys.stdin.read().split():
    if importlib.util.find_spec(name.split(".")[0]):  # some packages try what is not there
        print(name)
'
"""


@pytest.fixture(scope="module")
def imported(engine, notebook_image, made) -> set[str]:
    """The names of all modules that a server has imported when it first answers."""
    with opened(engine, engine.images.get(notebook_image.image_id), made) as box:
        box.wait_for_server()  # so that the home is as after a first start
        return set(box.run(START).splitlines())


def test_only_listed_packages_are_imported(imported):
    listed = {line for line in LISTED.read_text(encoding="utf-8").split("\n") if line and line[0] != "#"}
    found = {name.split(".")[0] for name in imported}
    packages = {name for name in found if name[0] != "_" and name not in sys.stdlib_module_names}
    assert packages - listed == set(), "imported by an idle server, and not in idle_server_modules.txt"
    assert listed - packages == set(), "in idle_server_modules.txt, and not imported any more: strike it out"


def test_what_can_wait_waits(imported):
    # the packages themselves are named, being found; nothing within them is loaded
    assert {name for name in imported if name.startswith(("aiohttp.", "requests."))} == set()


def test_the_hub_s_database_stays_away(imported):
    assert "jupyterhub.singleuser" in imported
    assert {name for name in imported if name.split(".")[0] in ("sqlalchemy", "alembic")} == set()


def test_they_are_no_more_than_they_were(imported):
    assert "jupyter_server.serverapp" in imported
    assert len(imported) <= AT_MOST
