"""From settings to a Tornado application: which address answers what."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from jupyterhub.services.auth import HubOAuth
from tornado.web import Application, RequestHandler, StaticFileHandler

from ..i18n import in_language
from ..settings import Settings
from . import actions, api, pages
from .base import NotFoundPage
from .feed import Feed
from .rendering import HERE, SECURITY_HEADERS, make_environment

_ID = r"([^/]+)"
API_ROUTES: list[tuple[str, type[RequestHandler]]] = [
    ("", api.Index),
    ("openapi.json", api.OpenApi),
    ("(overview|devices|claims|line|history)", api.Look),
    ("usage", api.Usage),
    ("events", api.Events),
    (f"devices/{_ID}/drain", actions.Drain),
    (f"devices/{_ID}/return", actions.Return),
    (f"claims/{_ID}/extend", actions.Extend),
    (f"claims/{_ID}/end", actions.End),
    (f"tickets/{_ID}", actions.GiveUp),
    (f"tickets/{_ID}/accept", actions.Accept),
    (f"tickets/{_ID}/move", actions.Move),
    (f"tickets/{_ID}/explain", api.Explain),
]
"""Below api/v1/."""


class Static(StaticFileHandler):
    """Our script and style sheet; no secrets."""

    def set_extra_headers(self, path: str) -> None:
        for name in ("X-Content-Type-Options", "X-Frame-Options", "Cross-Origin-Resource-Policy"):
            self.set_header(name, SECURITY_HEADERS[name])
        self.set_header("Cache-Control", "no-cache")  # asked again, answered with 304


def make_application(settings: Settings, feed: Feed, hub_auth: HubOAuth, cookie_secret: str) -> Application:
    """All of the console, at `hub_auth.base_url`."""
    prefix = hub_auth.base_url
    known = {"hub_auth": hub_auth, "feed": feed}
    routes: list[Any] = [
        (prefix, pages.GpuPage, known),
        (f"{prefix}live", pages.Live, known),
        (f"{prefix}why/{_ID}", pages.Why, known),
        (f"{prefix}usage", pages.UsagePage, known),
        (f"{prefix}oauth_callback", pages.OAuthCallback, known),
        (f"{prefix}static/(.*)", Static, {"path": str(HERE / "static")}),
        (f"{prefix}metrics", api.Metrics, known),
        *((f"{prefix}api/v1/{path}", handler, known) for path, handler in API_ROUTES),
        (f"{prefix}api/.*", api.NotFound, known),
    ]
    gpu = settings.gpu
    return Application(
        routes,
        default_handler_class=NotFoundPage,
        default_handler_args=known,
        cookie_secret=cookie_secret,
        templates=make_environment(),
        curves=pages.Curves(),
        names=gpu.names,
        zone=ZoneInfo(gpu.timezone),
        extend=gpu.lease.extend,
        longest_extension_s=gpu.lease.longest,
        hub_title=settings.title,
        page_values={
            "in_chinese": in_language("zh"),
            # how many wait for an account, and whether this person has one, only the Hub knows
            "local_accounts": settings.sign_in.local is not None,
        },
        log_function=_log_request,
    )


def _log_request(handler: RequestHandler) -> None:
    """Without the query: it may hold the page's XSRF token."""
    from .base import log

    request = handler.request
    level = log.info if handler.get_status() >= 400 else log.debug
    level("%d %s %s %.0f ms", handler.get_status(), request.method, request.path, request.request_time() * 1000)
