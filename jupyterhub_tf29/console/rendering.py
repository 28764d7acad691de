"""Pages in the Hub's own look: its templates and ours, for a process beside the Hub.

The Hub's `page.html` has scripts in the page. A strict Content-Security-Policy lets only those run that carry the
nonce of this answer, so it is put into the templates as they are loaded: what users wrote comes later, without.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader
from jupyterhub._data import DATA_FILES_PATH

HERE = Path(__file__).parent
_HUB_WIDE = HERE.parent / "templates"
"""What this project makes of the Hub's pages; above all `page.html`."""


class _NonceLoader(FileSystemLoader):
    """Gives each `<script` of a template the nonce of the answer."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        source, path, is_current = super().get_source(environment, template)
        return source.replace("<script", '<script nonce="{{ csp_nonce }}"'), path, is_current


def make_environment() -> Environment:
    """Templates by name: ours before the Hub's, which is also there as `templates/…`, as in the Hub."""
    stock = _NonceLoader(str(Path(DATA_FILES_PATH) / "templates"))
    loader = ChoiceLoader(
        [
            PrefixLoader({"templates": stock}, "/"),
            _NonceLoader([str(HERE / "templates"), str(_HUB_WIDE)]),
            stock,
        ]
    )
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)


def content_security_policy(nonce: str) -> str:
    """Nothing from elsewhere, no script that is not ours, nobody's frame."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}'",
            "style-src 'self' 'unsafe-inline'",  # style attributes of the Hub's own templates
            "img-src 'self' data:",  # Bootstrap's icons are data: URLs
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )


SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that know no frame-ancestors
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def hub_page_values(*, hub_prefix: str, name: str, is_admin: bool, title: str) -> dict[str, Any]:
    """What the Hub's `page.html` wants to know to draw its navigation bar for this person."""
    return {
        "base_url": hub_prefix,
        "prefix": hub_prefix.removesuffix("hub/"),
        "logout_url": f"{hub_prefix}logout",
        "login_url": f"{hub_prefix}login",
        "hub_title": title,
        "user": {"name": name, "admin": is_admin, "json_escaped_name": _inside_a_script(name)} if name else None,
        "no_spawner_check": True,
        "parsed_scopes": {"admin-ui": {}} if is_admin else {},
        "static_url": lambda path, **_: f"{hub_prefix}static/{path}",
    }


def _inside_a_script(name: str) -> str:
    """As JupyterHub's `json_escaped_name`, and so that it cannot end the script either."""
    escaped = json.dumps(name)[1:-1]
    for character in "<>&'":
        escaped = escaped.replace(character, f"\\u{ord(character):04x}")
    return escaped
