"""What a person should know about their workspace, for JupyterLab to tell.

A Jupyter server extension. It is imported at every start of a server, of which a class makes thirty at the same
second: so it imports nothing that the server has not imported already, and measures nothing before it is asked.
"""

from __future__ import annotations

__version__ = "0.1.0"


def _jupyter_server_extension_points():
    return [{"module": "tf29_workspace"}]


def _load_jupyter_server_extension(server_app):
    from .handlers import StatusHandler, TF29Workspace  # here, so that the rest can be imported without a server

    workspace = TF29Workspace(parent=server_app)
    url = server_app.web_app.settings["base_url"].rstrip("/") + "/tf29/status"
    server_app.web_app.add_handlers(".*$", [(url, StatusHandler, {"workspace": workspace})])
