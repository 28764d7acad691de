"""JupyterHub's configuration: this project's three files first, and whatever you set after that wins.

Every JupyterHub and DockerSpawner setting stays reachable here, for instance:

    c.JupyterHub.active_server_limit = 40
    c.TF29Spawner.environment = {"HF_HOME": "/models/hf"}
"""

from jupyterhub_tf29 import configure

c = get_config()  # noqa: F821  (JupyterHub provides it)
configure(c)
