"""GET {base_url}tf29/status: the state of the workspace as JSON, for its own user only."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timezone
from pathlib import Path

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web
from traitlets import Float, Unicode, default
from traitlets.config import LoggingConfigurable

from .home import Remembered, measure_space, measure_used
from .memory import read_memory
from .notices import read_notices


class TF29Workspace(LoggingConfigurable):
    """Where the facts about this workspace come from; the defaults are those of the notebook image."""

    notices_file = Unicode("/run/tf29hub/notices.json", config=True, help="the Hub's notices; may be absent")
    cgroup_root = Unicode("/sys/fs/cgroup", config=True, help="where the container sees its control group")
    home = Unicode(config=True, help="the folder whose size and space are told")
    used_every_s = Float(300, config=True, help="the home is walked at most this often, in seconds")
    space_every_s = Float(30, config=True, help="free space is looked at at most this often, in seconds")

    @default("home")
    def _default_home(self):
        return str(Path.home())

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.started = _now()
        # A group can be older than this server; what it counted before is not this server's news.
        self._kills_before = read_memory(self.cgroup_root)["oom_kills"] or 0
        self._used = Remembered(lambda: measure_used(self.home), self.used_every_s, self.log)
        self._space = Remembered(lambda: measure_space(self.home), self.space_every_s, self.log)

    def status(self):
        """A document of plain values; None stands for "not known (yet)"."""
        # In this order a notice about a kill never comes before the kill is counted.
        notices = read_notices(self.notices_file)
        memory = read_memory(self.cgroup_root)
        kills = memory.pop("oom_kills")
        space = self._space.get() or {"free_bytes": None, "total_bytes": None, "full": None}
        return {
            "time": _now(),
            "started": self.started,
            "notices": notices,
            "memory": memory,
            "oom_kills": None if kills is None else max(0, kills - self._kills_before),
            "home": {
                "used_bytes": self._used.get(),
                "free_bytes": space["free_bytes"],
                "total_bytes": space["total_bytes"],
            },
            "home_full": space["full"],
        }


class StatusHandler(APIHandler):
    auth_resource = "tf29"
    # An open page asks by itself: no sign of a person, and no reason to keep an idle server from being stopped.
    _track_activity = False

    def initialize(self, workspace):
        self.workspace = workspace

    @web.authenticated
    @authorized
    async def get(self):
        # The files are small, but they are files.
        status = await asyncio.get_running_loop().run_in_executor(None, self.workspace.status)
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(status))


def _now():
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
