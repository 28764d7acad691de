"""TensorFlow 2.9 workspaces for everyone on a shared GPU server.

`configure(c)` turns this project's configuration files into JupyterHub's settings.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

__all__ = ["__version__", "configure"]


def configure(c: Any, config_dir: str | None = None) -> None:
    """See `jupyterhub_tf29.hub.configure`; loaded when called, so that the command line stays fast."""
    import_module(".hub", __name__).configure(c, config_dir)
