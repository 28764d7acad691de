"""The scheduler with one rule broken: a copy of its sources, changed in one place, under a name of its own."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent.parent.parent / "jupyterhub_tf29" / "gpu"


@contextmanager
def mutant(folder: Path, module: str, old: str, new: str) -> Iterator[Callable[[str], Any]]:
    """`load(name)` imports a module of the scheduler in which `old`, which must be there once, is `new`."""
    package = f"mutant_{abs(hash((module, old, new)))}"
    root = folder / package
    (root / "scheduler").mkdir(parents=True)
    (root / "__init__.py").touch()
    for name in ("devices.py", "request.py"):
        shutil.copy(SOURCES / name, root / name)
    for source in (SOURCES / "scheduler").glob("*.py"):
        shutil.copy(source, root / "scheduler" / source.name)
    changed = root / "scheduler" / f"{module}.py"
    text = changed.read_text(encoding="utf-8")
    assert text.count(old) == 1, (
        f"{module}.py has {old!r} {text.count(old)} times: name a place that is there once"
    )
    changed.write_text(text.replace(old, new), encoding="utf-8")
    sys.path.insert(0, str(folder))
    try:
        yield lambda name: importlib.import_module(f"{package}.scheduler.{name}")
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
