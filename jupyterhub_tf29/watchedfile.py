"""A configuration file that is read again when it changes; a broken edit keeps the last good one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from .yamlfile import ConfigError

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """Holds what `read(path)` gave last without an error.

    `get` touches the disk: call it in a thread, not on the Hub's event loop.
    """

    def __init__(self, path: Path, read: Callable[[Path], T], log: logging.Logger | None = None) -> None:
        """Read the file at once. Raises ConfigError: at the start there is no last good one to keep."""
        self.path, self._read = path, read
        self._log = log or logging.getLogger(__name__)
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._value = read(path)
        self.problem: str | None = None
        """Why the file as it is now is not in use; None where it is."""

    def __deepcopy__(self, memo: object) -> WatchedFile[T]:
        """One file, one watcher: traitlets copies configuration for every object that it configures."""
        return self

    def get(self) -> T:
        """The content of the file, or of its last good version."""
        with self._lock:
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                self._read_again()
            return self._value

    def _read_again(self) -> None:
        try:
            self._value = self._read(self.path)
        except ConfigError as error:
            self.problem = str(error)
            self._log.error("%s is broken, its last good version stays in use:\n%s", self.path.name, error)
        else:
            self.problem = None
            self._log.info("%s was read again", self.path)

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
