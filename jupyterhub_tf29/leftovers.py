"""Containers that no server of the Hub's database knows: what a Hub that was killed in a start left behind.

Run before the Hub starts, so nothing can start or stop meanwhile.
"""

from __future__ import annotations

import logging
from typing import Any

import docker
from jupyterhub import orm
from sqlalchemy import create_engine, inspect
from sqlalchemy.orm import Session

from .spawner import labels


def running_containers(database_url: str) -> set[str]:
    """The container IDs of all servers that the Hub's database says are running; empty for a new database."""
    engine = create_engine(database_url)
    try:
        if not inspect(engine).has_table(orm.Spawner.__tablename__):
            return set()
        with Session(engine) as session:
            running = session.query(orm.Spawner).filter(orm.Spawner.server_id.is_not(None))
            return {spawner.state["object_id"] for spawner in running if (spawner.state or {}).get("object_id")}
    finally:
        engine.dispose()


def remove_leftovers(client: Any, name: str, known: set[str], log: logging.Logger) -> list[str]:
    """Remove this hub's containers of servers that are not `known`; returns their names. Volumes stay.

    Only containers with a user's label count: what a test or an admin runs under the hub's name is left alone.
    """
    removed = []
    filters = {"label": [f"{labels.NAME}={name}", labels.USER]}
    for found in client.containers(all=True, filters=filters):
        if found["Id"] in known:
            continue
        container_name = found["Names"][0].lstrip("/") if found["Names"] else found["Id"][:12]
        try:
            client.remove_container(found["Id"], force=True, v=True)
        except docker.errors.APIError as error:
            if error.status_code not in (404, 409):
                raise
        log.warning("Removed container %s, which a start left behind half-made", container_name)
        removed.append(container_name)
    return removed
