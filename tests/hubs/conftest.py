"""One hub with every way in by OAuth, and the providers behind them, for all tests of this folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.hubs.localhub import LocalHub, local_hub
from tests.hubs.visitor import Visitor
from tests.openid.places import TENANT, Entra, GitHub, GitLab, Google
from tests.openid.provider import Provider


@dataclass
class Places:
    """The providers of `oauth_hub`."""

    liar: Provider = field(default_factory=Provider)
    """Behind `oidc` (by groups) and `other` (by verified addresses)."""
    github: GitHub = field(default_factory=GitHub)
    gitlab: GitLab = field(default_factory=GitLab)
    google: Google = field(default_factory=Google)
    entra: Entra = field(default_factory=Entra)

    def methods(self) -> list[dict[str, object]]:
        """As in hub.yaml."""
        common = {"client_id": self.liar.client_id, "refresh": "1s", "timeout": 3}
        oidc = {"type": "oidc", "issuer": self.liar.issuer, **common}
        place = {"allow_all": True, "allowed_domains": ["example.edu"]}
        return [
            {
                **oidc, "label": "Example University", "allowed_groups": ["staff"], "admin_groups": ["it"],
                "sign_out_there": True,
            },
            {**oidc, "name": "other", "username_claim": "email", **place},
            {
                **common, "type": "github", "url": self.github.origin,
                "allowed_groups": ["Vision-Lab", "physics:GPU"], "admin_groups": ["physics:admins"],
            },
            {**common, "type": "github", "name": "github-domain", "url": self.github.origin, **place},
            {**common, "type": "gitlab", "url": self.gitlab.origin, "allowed_groups": ["lab/vision"]},
            {
                **common, "type": "google", "url": self.google.origin, "api_url": self.google.origin, **place,
                "workspace_admin": "admin@example.edu", "admin_groups": ["GPU-admins@example.edu"],
            },
            {
                **common, "type": "azuread", "tenant": TENANT, "url": self.entra.origin,
                "graph_url": self.entra.origin, "allowed_groups": ["g-gpu-users"],
                "allowed_domains": ["example.edu"],
            },
            {"type": "local"},
        ]  # fmt: skip

    def write_secrets(self, folder: Path) -> None:
        """What the admin of such a hub puts there."""
        folder.mkdir()
        texts = {f"{method.get('name', method['type'])}-client-secret": self.liar.client_secret
                 for method in self.methods()}  # fmt: skip
        texts["google-service-account"] = json.dumps(self.google.key_file)
        for name, text in texts.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o600)


@pytest.fixture(scope="package")
def places() -> Iterator[Places]:
    everywhere = Places()
    with ExitStack() as stack:
        for place in vars(everywhere).values():
            stack.enter_context(place)
        yield everywhere


@pytest.fixture(scope="package")
def oauth_hub(tmp_path_factory: pytest.TempPathFactory, places: Places) -> Iterator[LocalHub]:
    """A real hub with all ways in by OAuth, and local accounts; it asks every second about those who are in."""
    folder = tmp_path_factory.mktemp("oauth-hub")
    places.write_secrets(folder / "secrets")
    with local_hub(folder, methods=places.methods()) as running:
        yield running


@pytest.fixture
def liar(places: Places) -> Provider:
    """The provider behind `oidc` and `other`: honest at first, and `ada`, of the staff, is at its page."""
    places.liar.reset()
    places.liar.in_userinfo = {}
    places.liar.person = {"sub": "ada", "preferred_username": "ada", "groups": ["staff"]}
    return places.liar


@pytest.fixture
def visitor(oauth_hub: LocalHub) -> Visitor:
    """Somebody at `oauth_hub` whom nobody knows yet."""
    return Visitor(oauth_hub)
