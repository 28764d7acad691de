"""The image of the stock of comparison: ours, with a server beside it from nothing but `pip install`."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

import docker
import docker.errors
from docker.models.images import Image

from jupyterhub_tf29.image.build import host_ca_bundle
from jupyterhub_tf29.image.engine import building_client

REPOSITORY = "tf29hub-bench-stock"

# The kernel is the very same; `python3` is what a notebook asks for. Everything else is as pip leaves it.
DOCKERFILE = """
ARG BASE
FROM ${BASE}
USER 0
RUN --mount=type=secret,id=ca \\
    export PIP_CERT=$([ -s /run/secrets/ca ] && echo /run/secrets/ca || echo /etc/ssl/certs/ca-certificates.crt) \\
 && export REQUESTS_CA_BUNDLE=$PIP_CERT PYTHONUSERBASE= \\
 && python3.9 -m venv /opt/stock \\
 && /opt/stock/bin/pip install --no-cache-dir jupyterhub jupyterlab \\
 && cp /opt/jupyter/share/jupyter/kernels/python3/kernel.json /opt/stock/share/jupyter/kernels/python3/kernel.json
ENV PATH=/opt/stock/bin:/usr/local/bin:/usr/bin:/bin PYTHONUSERBASE=
USER 1000:1000
LABEL tf29hub.image=bench-stock tf29hub.name=bench
CMD ["jupyterhub-singleuser"]
"""


def ensure_stock_image(engine: docker.DockerClient, our_image_id: str) -> str:
    """The name of the stock image beside `our_image_id`; built when it is not there. Raises RuntimeError."""
    tag = hashlib.sha256(f"{DOCKERFILE}\0{our_image_id}".encode()).hexdigest()[:12]
    name = f"{REPOSITORY}:{tag}"
    try:
        engine.images.get(name)
        return name
    except docker.errors.ImageNotFound:
        pass
    _build(name, engine.images.get(our_image_id))
    _forget_others(engine, name)
    return name


def _build(name: str, base: Image) -> None:
    # BuildKit takes no image ID after FROM
    reference = base.tags[0] if base.tags else f"{REPOSITORY}:base"
    base.tag(*reference.rsplit(":", 1))
    with tempfile.TemporaryDirectory(prefix="tf29hub-bench-") as context:
        (Path(context) / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
        command = [building_client(), "build", "--quiet", "--tag", name, f"--build-arg=BASE={reference}"]
        ca = host_ca_bundle()
        if ca:
            command += ["--secret", f"id=ca,src={ca}"]
        done = subprocess.run(
            [*command, context], env={**os.environ, "DOCKER_BUILDKIT": "1"}, check=False, stdout=subprocess.DEVNULL
        )
    if done.returncode != 0:
        raise RuntimeError("the image of the stock server could not be built, see above")


def _forget_others(engine: docker.DockerClient, name: str) -> None:
    """Those beside earlier builds of our image serve nobody any more."""
    for image in engine.images.list(REPOSITORY):
        for tag in image.tags:
            if tag != name:
                engine.images.remove(tag)
