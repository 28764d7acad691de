"""`front:`, `tls:` and `sessions:` of hub.yaml."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..units import Duration

DAY_S = 86400


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Front(_Section):
    """How browsers come to this hub."""

    url: str = ""
    """The address that people type, such as https://hub.example.edu; "" where the hub is to take what comes."""
    trusted_proxies: list[str] = []
    """Addresses and networks of proxies before ours, whose X-Forwarded-For is believed."""
    subdomains: bool = False
    """Whether each user's server has a host name of its own below that of `url`."""

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (
            parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query
        ):
            raise ValueError(f"front.url: expected an address such as https://hub.example.edu, found {url!r}")
        return url.rstrip("/")

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: list[str]) -> list[str]:
        for proxy in proxies:
            network = ipaddress.ip_network(proxy, strict=False)  # its error names what was found
            if network.prefixlen == 0:
                raise ValueError(
                    f"front.trusted_proxies: {proxy} is everybody, and everybody could forge addresses"
                )
        return proxies

    @model_validator(mode="after")
    def _fit_together(self) -> Front:
        if self.subdomains and not self.url:
            raise ValueError("front.subdomains needs front.url: below which host name are the servers'?")
        return self


class Tls(_Section):
    """TLS that our own proxy speaks; another one before it leaves this `off`."""

    mode: Literal["off", "files", "self-signed"] = "off"
    """`files`: `certificate` and `key`. `self-signed`: an authority of this hub's own."""
    certificate: str = ""
    """PEM: the certificate and those that lead to its authority."""
    key: str = ""
    names: list[str] = []
    """Of a self-signed certificate: further names and addresses of this machine."""
    redirect_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """A port on which plain HTTP is answered with the way to HTTPS; 0: none."""
    hsts: Duration = 180 * DAY_S
    """Seconds for which browsers refuse plain HTTP; sent with `files` only. 0: not sent."""

    @field_validator("mode", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: object) -> object:
        return "off" if value is False else value  # YAML takes an `off` without quotes for "no"

    @model_validator(mode="after")
    def _fit_together(self) -> Tls:
        if self.mode == "files" and not (self.certificate and self.key):
            raise ValueError("tls.mode: files needs tls.certificate and tls.key, the paths of two PEM files")
        return self


class Sessions(_Section):
    """How long a sign-in lasts."""

    lifetime: Annotated[Duration, Field(ge=300)] = 7 * DAY_S
    """Seconds after which everybody signs in again, whatever they do meanwhile."""
    remembered_by_servers: Annotated[Duration, Field(ge=5, le=3600)] = 60
    """Seconds for which a running server remembers that its visitor was let in, before it asks the Hub again."""
    disabled_servers: Literal["stop", "keep"] = "stop"
    """What becomes of the running servers of somebody who may not sign in any more."""
