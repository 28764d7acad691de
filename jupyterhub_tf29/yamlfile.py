"""Read a YAML file against a schema, and say where it is wrong: file, line, key path, found, allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)
KeyPath = tuple[str | int, ...]


class ConfigError(ValueError):
    """A configuration file cannot be used; the text says which, where and why, one problem a line."""


def load(path: Path, model: type[Model], context: dict[str, Any] | None = None) -> Model:
    """Read and validate `path`; `context` reaches the model's validators as pydantic's `info.context`.

    Raises ConfigError where the file is missing, is not YAML, repeats a key, or does not fit `model`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    data, lines = _parse(path, text)
    try:
        return model.model_validate({} if data is None else data, context=context)
    except ValidationError as error:
        problems = [_describe(path, lines, problem) for problem in error.errors()]
        raise ConfigError("\n".join(dict.fromkeys(problems))) from None


def _parse(path: Path, text: str) -> tuple[Any, dict[KeyPath, int]]:
    """YAML text → plain data, and the line (from 1) at which each key path stands."""
    lines: dict[KeyPath, int] = {}
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _walk(path, root, (), lines)
        return yaml.safe_load(text), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        detail = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"{where}: this is not valid YAML: {detail}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: this is not valid YAML: {error}") from None


def _walk(path: Path, node: yaml.Node | None, at: KeyPath, lines: dict[KeyPath, int]) -> None:
    if node is None:
        return
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key_node, value in node.value:
            key = key_node.value
            if (*at, key) in lines:
                line = key_node.start_mark.line + 1
                raise ConfigError(f"{path}:{line}: {_dotted((*at, key))}: this key is here twice")
            lines[(*at, key)] = key_node.start_mark.line + 1
            _walk(path, value, (*at, key), lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(path, item, (*at, index), lines)


def _describe(path: Path, lines: dict[KeyPath, int], problem: Any) -> str:
    at = known = _without_tags(tuple(problem["loc"]), lines)
    while known and known not in lines:
        known = known[:-1]
    where = f"{path}:{lines.get(known, 1)}"
    kind, message = problem["type"], problem["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        message = "there is no such setting"
    elif kind == "missing":
        message = "this setting is needed and missing"
    elif kind != "value_error":
        message = f"{message[0].lower()}{message[1:]}, found {problem['input']!r}"
    return f"{where}: {_dotted(at)}: {message}" if at else f"{where}: {message}"


def _without_tags(at: KeyPath, lines: dict[KeyPath, int]) -> KeyPath:
    """Where items of a list differ by `type`, pydantic says `methods[0].ldap.servers`; the file has no `ldap`."""
    path: KeyPath = ()
    for part in at[:-1]:
        if (*path, part) in lines:
            path = (*path, part)
    return (*path, *at[-1:])


def _dotted(at: KeyPath) -> str:
    """`("profiles", 0, "slug")` → `profiles[0].slug`."""
    text = ""
    for part in at:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
