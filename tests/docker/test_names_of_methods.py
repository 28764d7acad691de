"""A user whose name has a method's prefix, all the way: address, container, volume, stop."""

from __future__ import annotations

import pytest
import requests

from tests.ours import find_free_port

pytestmark = [pytest.mark.docker, pytest.mark.hub]


def test_a_prefixed_name_has_servers_like_any_other(make_hub):
    directory = {
        "type": "ldap",
        "servers": [f"ldap://127.0.0.1:{find_free_port()}"],
        "users": {"base": "dc=x"},
        "allow_all": True,
    }
    hub, name = make_hub(settings={"sign_in": {"methods": [directory, {"type": "local"}]}}), "local:ada+x"
    hub.api.add_user(name)
    for server in ("", "second"):
        hub.api.start(name, server, options={"profile": "small"})
        assert hub.container(name, server).status == "running"
        path = f"/user/local%3Aada%2Bx/{server + '/' if server else ''}api"
        assert requests.get(hub.url + path, timeout=10).status_code == 200
        hub.api.stop(name, server)
    assert hub.containers(name) == []
