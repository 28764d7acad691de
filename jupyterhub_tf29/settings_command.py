"""`tf29hub settings`: what of `hub.yaml` is in force, for people and for the scripts in deploy/."""

from __future__ import annotations

import argparse
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from ruamel.yaml import YAML

from .cli import CommandError
from .settings import Paths, load_settings
from .yamlfile import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    show = verbs.add_parser("show", help="print every setting that is in force, defaults too")
    show.add_argument("--shell", action="store_true", help="as assignments that a shell can read")
    change = verbs.add_parser("set", help="change settings in hub.yaml; comments stay")
    change.add_argument("changes", nargs="+", metavar="KEY=VALUE", help="such as listen.port=8080")


def run(args: argparse.Namespace) -> int:
    paths = Paths.from_environment()
    if args.verb == "set":
        for line in change_settings(paths.config / "hub.yaml", args.changes):
            print(line)
        return 0
    settings = load_settings(paths.config)
    values = dict(_flat(settings)) | {
        "network.gateway": settings.network.gateway,
        "sign_in.first_admin": settings.sign_in.first_admin,
    }
    for key, value in values.items():
        print(shell_assignment(key, value) if args.shell else f"{key}: {value}")
    return 0


def shell_assignment(key: str, value: Any) -> str:
    """`("listen.port", 8000)` → `hub_listen_port=8000`, quoted so that a shell can do nothing but read it."""
    return f"hub_{key.replace('.', '_')}={shlex.quote(str(value))}"


def change_settings(path: Path, changes: list[str]) -> list[str]:
    """Put `KEY=VALUE`s into the YAML file `path`, all or none; one line for each that was another before.

    Raises ConfigError where the file would not be valid any more, and CommandError for a word without `=`.
    """
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096  # long lines stay as their author broke them
    load_settings(path.parent)  # a file that is broken already is told as it stands
    document = editor.load(path.read_text(encoding="utf-8")) or {}
    told = []
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key:
            raise CommandError(f"expected KEY=VALUE such as listen.port=8080, found {change!r}")
        before = _put(document, key.split("."), yaml.safe_load(text))
        if before != yaml.safe_load(text):
            told.append(f"hub.yaml: {key} is {text} now" + (f", was {before}" if before is not None else ""))
    if told:
        _replace(path, document, editor)
    return told


def _put(document: Any, keys: list[str], value: Any) -> Any:
    """Set one value in nested mappings; returns what stood there before, None where nothing did."""
    for key in keys[:-1]:
        if not isinstance(document.get(key), dict):
            document[key] = {}
        document = document[key]
    before = document.get(keys[-1])
    document[keys[-1]] = value
    return before


def _replace(path: Path, document: Any, editor: YAML) -> None:
    """Try the new text in a folder of its own, where an error names `hub.yaml` too; then put it in place."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / path.name
        with trial.open("w", encoding="utf-8") as file:
            editor.dump(document, file)
        try:
            load_settings(trial.parent)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(trial), str(path))) from None
        draft = path.with_name(f".{path.name}.draft")
        draft.write_text(trial.read_text(encoding="utf-8"), encoding="utf-8")
    draft.chmod(path.stat().st_mode & 0o777)
    draft.replace(path)


def _flat(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings → dotted keys, in the order of the schema."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
