"""Imports run one way; pyproject.toml says which."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parent.parent


def test_imports_run_one_way():
    # a process of its own: import-linter configures logging, which would silence loggers of other tests
    program = Path(sys.executable).with_name("lint-imports")
    found = subprocess.run([program, "--no-cache"], cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stdout + found.stderr
