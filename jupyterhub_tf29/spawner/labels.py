"""Labels on every Docker object that a hub makes: how they are found again after a crash."""

NAME = "tf29hub.name"
"""Which hub made it (`name` of hub.yaml). Nothing without this label is ever touched."""

USER = "tf29hub.user"
"""The username as JupyterHub has it, not escaped."""

SERVER = "tf29hub.server"
"""The server's name; empty for the default server."""

PROFILE = "tf29hub.profile"
KIND = "tf29hub.kind"
"""Of a volume: home, models or datasets."""
