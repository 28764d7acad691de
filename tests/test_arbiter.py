"""Whether the idle culler stops a server: a GPU that works keeps it, whatever its browser does."""

from datetime import timedelta

import pytest

from jupyterhub_tf29.arbiter import GpuArbiter
from jupyterhub_tf29.gpu.client import BrokerClient
from jupyterhub_tf29.profiles import Profiles
from tests.brokerlike import BrokerLike

MENU = Profiles.model_validate(
    {
        "profiles": [
            {"slug": "cpu", "display_name": "CPU"},
            {"slug": "gpu", "display_name": "GPU", "override": {"gpu": {"count": 1}}},
        ]
    }
)
LONG, SHORT, LIMIT = timedelta(hours=3), timedelta(minutes=3), 7200


@pytest.fixture
async def broker(tmp_path):
    async with BrokerLike(tmp_path / "broker.sock") as broker:
        broker.answers["GET /v1/claims"] = {"claims": [{"id": "c1", "user": "ada", "server": "lab"}]}
        yield broker


async def verdict(broker, inactive=LONG, profile="gpu", name="ada/lab"):
    client = BrokerClient(broker.path)
    try:
        server = {"full_name": name, "user_options": {"profile": profile} if profile else {}}
        return await GpuArbiter(client, lambda: MENU)(inactive=inactive, inactive_limit=LIMIT, server=server)
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("busy", "name", "stopped"),
    [(True, "ada/lab", False), (False, "ada/lab", True), (None, "ada/lab", False), (None, "ada/other", True)],
    ids=["a busy GPU", "an idle GPU", "too few samples", "no GPU was granted"],
)
async def test_a_server_that_may_hold_gpus_is_stopped_when_the_broker_knows_them_idle(broker, busy, name, stopped):
    broker.answers["GET /v1/busy"] = {"busy": busy}
    assert await verdict(broker, name=name) is stopped


async def test_a_workspace_without_a_gpu_goes_by_its_browser_alone(broker):
    assert await verdict(broker, profile="cpu") is True
    assert await verdict(broker, profile="cpu", inactive=SHORT) is False
    assert broker.asked == []


async def test_who_is_active_is_not_looked_at(broker):
    assert await verdict(broker, inactive=SHORT) is False
    assert await verdict(broker, inactive=None) is False
    assert broker.asked == []


async def test_a_silent_broker_keeps_gpu_workspaces_and_only_those(tmp_path):
    gone = BrokerLike(tmp_path / "nobody.sock")
    assert await verdict(gone) is False
    assert await verdict(gone, profile="cpu") is True


@pytest.mark.parametrize("profile", ["gone", None], ids=["not on the menu any more", "none said"])
async def test_of_an_unknown_workspace_the_broker_is_asked(broker, profile):
    broker.answers["GET /v1/busy"] = {"busy": True}
    assert await verdict(broker, profile=profile) is False
