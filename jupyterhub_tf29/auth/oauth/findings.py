"""What `tf29hub doctor` finds about ways in by OAuth: secrets, providers, keys, the address to register."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from ...finding import Finding
from ...secretfiles import SecretError, read_given_secret
from ...settings import Paths
from ..method_settings import MethodSettings
from ..oauth_settings import GoogleMethod, OAuthMethod, OpenIdMethod
from .client import Client
from .errors import NoLonger, ProviderDown
from .idtoken import ALGORITHMS
from .metadata import MetadataError, document_url, parse


def findings(methods: Iterable[MethodSettings], paths: Paths) -> Iterator[Finding]:
    """For each method by OAuth; it asks the providers, each within the method's time-out."""
    for method in methods:
        if isinstance(method, OAuthMethod):
            yield from _secrets(method, paths)
            if isinstance(method, OpenIdMethod):
                yield _provider(method)


def _secrets(method: OAuthMethod, paths: Paths) -> Iterator[Finding]:
    names = [f"{method.name}-client-secret"]
    if isinstance(method, GoogleMethod) and method.workspace_admin:
        names.append(f"{method.name}-service-account")
    for name in names:
        try:
            read_given_secret(paths, name)
        except SecretError as error:
            yield Finding("failed", f"sign-in by {method.name}: {error}", "see docs/sign-in-oidc.md")


def _provider(method: OpenIdMethod) -> Finding:
    what = f"sign-in by {method.name}: {method.issuer_url}"
    try:
        keys = asyncio.run(_usable_keys(method))
    except (ProviderDown, NoLonger, MetadataError) as error:
        return Finding("failed", f"{what}: {error}", "sign-in by this method does not work until that is mended")
    if not keys:
        return Finding("failed", f"{what}: its key page has no key for signatures", "ask who runs the provider")
    callback = method.callback_url or f"https://<this hub>/hub/login/{method.name}/oauth_callback"
    return Finding("ok", f"{what} answers, {keys} keys; it has to know the redirect address {callback}")


async def _usable_keys(method: OpenIdMethod) -> int:
    client = Client(method.timeout, method.ca_file)
    metadata = parse(await client.get(document_url(method.issuer_url)), method.issuer_url)
    document = await client.get(metadata.jwks_uri)
    rows = document.get("keys") if isinstance(document, dict) else None
    usable = [row for row in rows or [] if isinstance(row, dict) and row.get("alg", ALGORITHMS[0]) in ALGORITHMS]
    return len([row for row in usable if row.get("use", "sig") == "sig" and row.get("kty") != "oct"])
