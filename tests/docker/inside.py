"""Run Python in a workspace's container, as its user does in a terminal."""

from __future__ import annotations

from docker.models.containers import Container


def run_python(container: Container, code: str) -> str:
    """What `code` prints. Raises AssertionError with its error output when it fails."""
    exit_code, output = try_python(container, code)
    assert exit_code == 0, f"exit code {exit_code}: {output}"
    return output


def try_python(container: Container, code: str) -> tuple[int, str]:
    """(exit code, output and errors) of `code`; 137 is a kill, by the kernel for one."""
    result = container.exec_run(["python3", "-c", code])
    return result.exit_code, result.output.decode().strip()
