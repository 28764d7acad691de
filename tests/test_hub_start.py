"""What the Hub imports before it can answer: seconds of every restart, in which nobody can sign in or start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
PARSER_BUILDERS = {"rfc3987_syntax", "lark", "pyparsing", "ply", "antlr4"}
"""They compile a grammar when they are imported, or draw in what does."""

IMPORTS = """
import json, sys
import jupyterhub.app, jupyterhub_tf29.hub, jupyterhub_tf29.hub_command, jupyterhub_tf29.spawner.tf29
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_the_hub_builds_no_parser_at_each_start():
    said = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert PARSER_BUILDERS & set(json.loads(said.stdout)) == set()


@pytest.mark.parametrize("lock", ["deploy/requirements.lock", "tests/requirements.lock"])
def test_what_the_hub_goes_without_is_in_no_lock(lock):
    assert "rfc3987-syntax" not in (REPOSITORY / lock).read_text(encoding="utf-8")
