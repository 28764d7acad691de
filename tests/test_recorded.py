"""What the audit trail learns of a server, beside who asked for it (tests/hubs/test_audit.py)."""

from __future__ import annotations

from types import SimpleNamespace

from jupyterhub_tf29.audit.acting import PROGRAMS
from jupyterhub_tf29.culler import SERVICE as CULLER
from jupyterhub_tf29.gpu.broker.registration import SERVICE as BROKER
from jupyterhub_tf29.spawner.recorded import RecordedSpawner


def facts(**attributes: object) -> dict[str, object]:
    server = {"image": "sha256:1f", "container_name": "tf29hub-wang", "accepted": {}, "claim": None} | attributes
    return RecordedSpawner.facts(SimpleNamespace(**server))  # type: ignore[arg-type]


def test_what_it_runs_with():
    claim = {"id": "c1", "devices": [{"uuid": "GPU-aa", "mib": 8000}, {"uuid": "MIG-bb", "mib": None}]}
    assert facts(accepted={"profile": "large"}, claim=claim) == {
        "image": "sha256:1f",
        "profile": "large",
        "gpus": ["GPU-aa", "MIG-bb"],
        "container": "tf29hub-wang",
    }
    assert facts()["gpus"] is None


def test_programs_are_known_by_the_names_that_the_hub_has_for_them():
    assert PROGRAMS == {CULLER: "culler", BROKER: "broker"}
