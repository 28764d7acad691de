"""From the press on Start to the end, seen from outside: REST, pages, containers."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.hub]


def test_a_server_starts_answers_and_leaves_nothing_but_its_volumes(stub_hub):
    stub_hub.api.start("ada")
    assert stub_hub.answers("ada")
    container = stub_hub.container("ada")
    volumes = {mount["Name"] for mount in container.attrs["Mounts"] if mount["Type"] == "volume"}
    stub_hub.api.stop("ada")
    assert stub_hub.containers("ada") == []
    assert not stub_hub.answers("ada")
    assert volumes <= {volume.name for volume in stub_hub.engine.volumes.list()}
