"""Which authenticator stands behind which `type` of a method in hub.yaml; loaded when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .method import Method

KINDS = {
    "local": "local:LocalAuthenticator",
    "break-glass": "break_glass:BreakGlassAuthenticator",
    "ldap": "ldap.authenticator:LdapAuthenticator",
    "oidc": "oauth.openid:OidcAuthenticator",
    "github": "oauth.github:GitHubAuthenticator",
    "gitlab": "oauth.presets:GitLabAuthenticator",
    "google": "oauth.presets:GoogleAuthenticator",
    "azuread": "oauth.presets:AzureAdAuthenticator",
}
"""Module of this package, and class."""


def authenticator_of(kind: str) -> type[Method]:
    """The class for `type: <kind>`; its libraries are imported only where a hub uses it."""
    module, _, name = KINDS[kind].partition(":")
    return getattr(import_module(f"{__package__}.{module}"), name)
