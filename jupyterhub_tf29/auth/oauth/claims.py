"""From a provider's claims to a name, groups and domains. Nothing here knows a hub or a network."""

from __future__ import annotations

from typing import Any

MAX_GROUPS = 500
"""Of one person; beyond that a provider is misconfigured, or hostile."""
MAX_GROUP_LENGTH = 200


class ClaimError(ValueError):
    """The claims do not say who this is; the text, for the log, says what is missing."""


def find(claims: dict[str, Any], path: str) -> Any:
    """A claim by its name, or by dots that lead inwards (`realm_access.roles`); None where there is none.

    A claim whose very name has dots (`https://example.edu/groups`) comes first.
    """
    if path in claims:
        return claims[path]
    found: Any = claims
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def username(claims: dict[str, Any], claim: str, *, strip: frozenset[str] = frozenset()) -> str:
    """The name in `claim`, without its domain where that is in `strip`. Raises ClaimError.

    An e-mail address is a name only where the provider has verified that it is this person's.
    """
    name = find(claims, claim)
    if not isinstance(name, str) or not name.strip():
        raise ClaimError(f"the claim {claim} is missing or empty; there are {', '.join(sorted(claims))}")
    if claim == "email" and claims.get("email_verified") is not True:
        raise ClaimError("the claim email is not verified by the provider (email_verified), so it is no name")
    local, _, domain = name.strip().rpartition("@")
    return local if local and domain.lower() in strip else name.strip()


def groups(claims: dict[str, Any], claim: str) -> list[str]:
    """The groups in `claim`, each once, sorted. A list of texts, or one text; anything else is none."""
    found = find(claims, claim) if claim else None
    listed = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    names = {name.strip() for name in listed if isinstance(name, str)}
    return sorted(name for name in names if name and len(name) <= MAX_GROUP_LENGTH)[:MAX_GROUPS]


def verified_domains(claims: dict[str, Any]) -> frozenset[str]:
    """The domain of the e-mail address, where the provider has verified it."""
    address = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(address, str):
        return frozenset()
    return domain_of(address)


def domain_of(address: Any) -> frozenset[str]:
    """What stands behind the last @, lower case; none where there is no @."""
    local, _, domain = address.strip().rpartition("@") if isinstance(address, str) else ("", "", "")
    return frozenset({domain.lower()}) if local and domain else frozenset()
