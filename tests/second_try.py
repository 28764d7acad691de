"""Engines, hubs and browsers share the CPUs of a machine that is no one's alone: what fails is tried once more.

Both must fail for the run to fail. The first failure is told when it happens, and counted in the last line of all,
as `rerun`: it is a slow machine, or a race that waits to be found. Tests of one process have no such excuse, nor a
second try.
"""

from __future__ import annotations

import pytest

SECOND_TRY = pytest.mark.flaky(reruns=1)
"""Of pytest-rerunfailures."""


class FirstFailures:
    """Tells of failures that are followed by a second try, of which pytest says nothing but an `R`."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome != "rerun":
            return
        terminal = self._config.get_terminal_writer()
        terminal.line()
        terminal.sep("_", f"tried again: {report.nodeid} ({report.when})")
        report.toterminal(terminal)
