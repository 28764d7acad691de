"""Imports run one way; pyproject.toml says which."""

from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def test_imports_run_one_way(capsys):
    assert lint_imports(config_filename=str(PYPROJECT)) == EXIT_STATUS_SUCCESS, capsys.readouterr().out
