"""Labels on every Docker object that a hub makes: how they are found again after a crash."""

NAME = "tf29hub.name"
"""Which hub made it (`name` of hub.yaml). Nothing without this label is ever touched."""

USER = "tf29hub.user"
"""The username as JupyterHub has it, not escaped."""

SERVER = "tf29hub.server"
"""The server's name; empty for the default server."""

PROFILE = "tf29hub.profile"

CLAIM = "tf29hub.claim"
"""The broker's claim whose GPUs the container has; without it it has none."""

GPUS = "tf29hub.gpus"
"""Their UUIDs, with commas."""

GPU_MIB = "tf29hub.gpu-mib"
"""MiB of each of them, with commas; empty where it is held whole."""

LEASE_END = "tf29hub.lease-end"
"""Until when they were granted, in UTC epoch seconds; an extension is in the broker's store alone."""

KIND = "tf29hub.kind"
"""Of a volume: home, models or datasets."""
