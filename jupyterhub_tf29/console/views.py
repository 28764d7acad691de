"""What one person may see of a snapshot, as plain data: the one gate for the pages and for the JSON API.

Names of others are in it only where the policy lets this person read them; ids of others' claims and tickets only
for those who may act on them. Sentences stay in every language (`{"en": …, "zh": …}`); the page chooses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .people import Names, Person
from .snapshot import Snapshot
from .words import iso

HELD_STATES = ("free", "allocated")
"""States in which a GPU that is shared may have room for more."""


def overview(snapshot: Snapshot, person: Person, names: Names) -> dict[str, Any]:
    """Everything that the page shows: `broker`, `devices`, `claims` (what this person may act on), `line`."""
    return {
        "broker": broker(snapshot),
        "devices": devices(snapshot, person, names),
        "claims": claims(snapshot, person),
        "line": line(snapshot, person, names),
    }


def broker(snapshot: Snapshot) -> dict[str, Any]:
    """Whether the broker answers, and what it says of the machine as a whole."""
    inventory = snapshot.inventory
    return {
        "reachable": snapshot.reachable,
        "as_of": iso(snapshot.time) if snapshot.known else None,
        "problem": inventory.get("problem"),
        "driver_version": inventory.get("driver_version"),
        "cuda_version": inventory.get("cuda_version"),
        "real": bool(inventory.get("real", True)),
    }


def devices(snapshot: Snapshot, person: Person, names: Names) -> list[dict[str, Any]]:
    """Every card, in the order of their PCI addresses."""
    cards = sorted(snapshot.devices, key=lambda device: (device.get("bus_id") or "", device["uuid"]))
    labels = label_of(cards)
    return [
        {
            **{
                key: device.get(key)
                for key in (
                    "uuid",
                    "model",
                    "memory_mib",
                    "usable_mib",
                    "mig_profile",
                    "parent",
                    "bus_id",
                    "state",
                )
            },
            "label": labels[device["uuid"]],
            # an admin's words, and what a fault is, are for admins
            "reason": device.get("reason") if person.sees_all else None,
            "free_mib": _free_mib(device),
            "holders": [_holder(holder, person, names) for holder in device.get("holders", ())],
            "sample": _sample(device.get("sample")),
        }
        for device in cards
    ]


def claims(snapshot: Snapshot, person: Person) -> list[dict[str, Any]]:
    """What is held: one's own, and for those who see all everybody's."""
    return [
        {
            **{
                key: claim.get(key)
                for key in (
                    "id",
                    "user",
                    "server",
                    "groups",
                    "request",
                    "devices",
                    "state",
                    "profile",
                    "share_mib",
                    "lost",
                )
            },
            "own": person.owns(claim["user"]),
            "since": iso(claim["since"]),
            "lease_end": iso(claim["lease_end"]),
            "protected_until": iso(claim["protected_until"]) if claim.get("protected_until") else None,
        }
        for claim in snapshot.claims
        if person.sees_all or person.owns(claim["user"])
    ]


def line(snapshot: Snapshot, person: Person, names: Names) -> list[dict[str, Any]]:
    """Everybody who waits, in order. Of others a user sees the place and the wish, and the name by policy."""
    return [_waiting(ticket, person, names) for ticket in sorted(snapshot.tickets, key=lambda one: one["place"])]


def history(snapshot: Snapshot) -> dict[str, list[dict[str, Any]]]:
    """UUID → samples of the last hours."""
    keys = ("used_mib", "utilisation", "temperature")
    return {
        uuid: [{"time": iso(row[0]), **dict(zip(keys, row[1:], strict=False))} for row in rows]
        for uuid, rows in snapshot.history.items()
    }


def event(happened: Mapping[str, Any], person: Person) -> dict[str, Any] | None:
    """An event as this person may see it; None where it is nobody's business but another's.

    What concerns a device or the line is told without whom it concerns.
    """
    user = happened.get("user")
    if person.sees_all or (user is not None and person.owns(user)):
        return {**happened, "time": iso(happened["time"])}
    if user is None and str(happened.get("kind", "")).startswith("device-"):
        kept = {key: happened[key] for key in ("id", "kind", "device") if key in happened}
        return {**kept, "time": iso(happened["time"])}
    return None


def explanation(told: Mapping[str, Any], person: Person, names: Names) -> dict[str, Any]:
    """The scheduler's explanation of one's own ticket. Who does not see all gets no ids of others, their names by
    policy, and of what put them ahead only how they rank."""
    if person.sees_all:
        return dict(told)
    ahead = [
        {
            "user": one["user"] if person.sees_name(one["user"], names) else None,
            "request": one["request"],
            "estimate_s": one["estimate_s"],
            "factors": {key: one["factors"][key] for key in ("rank", "overdue", "placed")},
        }
        for one in told["ahead"]
    ]
    releases = [
        {
            "user": one["user"] if person.sees_name(one["user"], names) else None,
            **{key: one[key] for key in ("uuids", "end_s", "idle_s")},
        }
        for one in told["releases"]
    ]
    return {**told, "ahead": ahead, "releases": releases}


def label_of(cards: list[dict[str, Any]]) -> dict[str, str]:
    """UUID → `GPU 0`, `GPU 1 · 1g.5gb #2`: by PCI address, as `nvidia-smi` numbers them. For people's eyes."""
    addresses = sorted({card.get("bus_id") or card["uuid"] for card in cards})
    labels: dict[str, str] = {}
    for card in cards:
        label = f"GPU {addresses.index(card.get('bus_id') or card['uuid'])}"
        if card.get("mig_profile"):
            label += f" · {card['mig_profile']}"
            label += f" #{1 + sum(1 for other in labels.values() if other.startswith(label + ' '))}"
        labels[card["uuid"]] = label
    return labels


def _holder(holder: Mapping[str, Any], person: Person, names: Names) -> dict[str, Any]:
    user = holder["user"]
    mine = person.sees_all or person.owns(user)
    return {
        "user": user if person.sees_name(user, names) else None,
        "own": person.owns(user),
        "claim": holder.get("claim") if mine else None,
        "server": holder.get("server", "") if mine else None,
        "mib": holder.get("mib"),
        "used_mib": holder.get("used_mib"),
        "state": holder.get("state"),
        "since": iso(holder["since"]) if mine and holder.get("since") else None,
        "lease_end": iso(holder["lease_end"]) if holder.get("lease_end") else None,
    }


def _waiting(ticket: Mapping[str, Any], person: Person, names: Names) -> dict[str, Any]:
    user = ticket["user"]
    mine = person.sees_all or person.owns(user)
    shown: dict[str, Any] = {
        "place": ticket["place"],
        "own": person.owns(user),
        "user": user if person.sees_name(user, names) else None,
        "request": ticket["request"],
        "submitted": iso(ticket["submitted"]),
        "estimate_s": ticket.get("estimate_s"),
        "state": ticket["state"],
    }
    if mine:
        shown |= {
            key: ticket.get(key) for key in ("id", "server", "profile", "reason", "lease_s", "claim", "offer")
        }
        shown["hold_until"] = iso(ticket["hold_until"]) if ticket.get("hold_until") else None
    return shown


def _free_mib(device: Mapping[str, Any]) -> int | None:
    """Room for more shares; None where the card is held whole or cannot be handed out."""
    if device.get("state") not in HELD_STATES or device.get("usable_mib") is None:
        return None
    shares = [holder.get("mib") for holder in device.get("holders", ())]
    if None in shares:
        return None
    return max(0, int(device["usable_mib"]) - sum(shares))


def _sample(sample: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not sample:
        return None
    kept = {key: sample.get(key) for key in ("used_mib", "utilisation", "temperature")}
    return {"time": iso(sample["time"]), **kept}
