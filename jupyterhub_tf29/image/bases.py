"""Which base the notebook image stands on, and why."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.errors import APIError, DockerException, ImageNotFound
from requests.exceptions import RequestException

from .engine import IMAGE_LABEL, INSTALLATION_LABEL, ImageError

CUDA = "nvidia/cuda:11.2.2-cudnn8-runtime-ubuntu20.04"
UBUNTU = "ubuntu:20.04"
DEBIAN_SUITE = "bullseye"
"""Debian 11, the release whose own Python is 3.9."""

_NVIDIA_VENDOR = "0x10de"
_DISPLAY_CLASSES = ("0x0300", "0x0302")  # VGA controller, 3D controller


@dataclass(frozen=True)
class Base:
    """A base and the sentence that says why it was chosen."""

    kind: str
    """`cuda`, `ubuntu`, `debian`, or `image` for one that the admin named."""
    reference: str
    """What the Dockerfile's BASE gets."""
    reason: str


def choose(
    forced: str | None,
    debian_reference: str,
    has_gpu: Callable[[], bool],
    is_available: Callable[[str], bool],
) -> Base:
    """Choose a base.

    `forced`: what `--base` said (`cuda`, `ubuntu`, `debian` or an image), or None. `debian_reference`: the name
    under which a base made here is kept. `is_available`: the engine has an image, or a registry answers for it.
    """
    named = {"cuda": CUDA, "ubuntu": UBUNTU, "debian": debian_reference}
    if forced:
        return Base(forced if forced in named else "image", named.get(forced, forced), "asked for with --base")
    gpu = has_gpu()
    if gpu and is_available(CUDA):
        return Base("cuda", CUDA, "this machine has an NVIDIA GPU, and a registry has NVIDIA's image")
    if is_available(UBUNTU):
        why = "NVIDIA's image cannot be had, so no GPU can be used" if gpu else "this machine has no NVIDIA GPU"
        return Base("ubuntu", UBUNTU, why)
    return Base(
        "debian",
        debian_reference,
        "no container registry answers, so Debian 11 is made from Debian's packages"
        + ("; no GPU can be used with it" if gpu else ""),
    )


def has_nvidia_gpu(root: Path = Path("/")) -> bool:
    """Whether an NVIDIA graphics or compute card is on this machine's PCI bus; needs no driver."""
    for device in (root / "sys/bus/pci/devices").glob("*"):
        try:
            vendor = (device / "vendor").read_text().strip()
            kind = (device / "class").read_text().strip()
        except OSError:
            continue
        if vendor == _NVIDIA_VENDOR and kind.startswith(_DISPLAY_CLASSES):
            return True
    return False


def available(client: Any, reference: str) -> bool:
    """Whether the engine has the image already, or its registry answers the engine (not this process) for it."""
    try:
        client.images.get(reference)
        return True
    except ImageNotFound:
        pass
    try:
        client.images.get_registry_data(reference)
        return True
    except (APIError, DockerException, RequestException):
        return False


def make_debian(docker_command: str, reference: str, installation: str, mirror: str | None = None) -> None:
    """Make Debian 11 with debootstrap and import it as `reference`. Needs root. Raises ImageError.

    `mirror`: where Debian's packages come from; None: debootstrap's own default.
    """
    debootstrap = shutil.which("debootstrap", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if debootstrap is None:
        raise ImageError(
            "making the Debian base needs debootstrap; on Debian and Ubuntu: "
            "apt-get install debootstrap debian-archive-keyring"
        )
    if os.geteuid() != 0:
        raise ImageError("making the Debian base with debootstrap needs root: sudo tf29hub image build")
    with tempfile.TemporaryDirectory(prefix="tf29hub-base-", dir="/var/tmp") as folder:
        root = Path(folder) / "root"
        # The signatures of the packages are checked, or nothing is made.
        arguments = [
            "--variant=minbase",
            "--force-check-gpg",
            DEBIAN_SUITE,
            str(root),
            *([mirror] if mirror else []),
        ]
        if subprocess.run([debootstrap, *arguments], check=False).returncode != 0:
            raise ImageError(
                "debootstrap failed, see above; it needs Debian's packages and the keys in debian-archive-keyring"
            )
        _add_security_updates(root / "etc/apt/sources.list")
        _import(docker_command, root, reference, installation)


def _add_security_updates(sources: Path) -> None:
    """debootstrap knows the release alone; the fixes lie beside it on the same mirror."""
    text = sources.read_text(encoding="utf-8")
    _, url, suite, *components = text.split()
    security = url.removesuffix("/").removesuffix("/debian") + "/debian-security"
    sources.write_text(
        f"{text.strip()}\ndeb {security} {suite}-security {' '.join(components)}\n", encoding="utf-8"
    )


def _import(docker_command: str, root: Path, reference: str, installation: str) -> None:
    archives = ["--exclude=./var/cache/apt/archives/*.deb", "--exclude=./var/lib/apt/lists/*"]
    labels = f"LABEL {IMAGE_LABEL}=base {INSTALLATION_LABEL}={installation}"
    with subprocess.Popen(
        ["tar", "-C", str(root), *archives, "--numeric-owner", "-c", "."], stdout=subprocess.PIPE
    ) as tar:
        done = subprocess.run(
            [docker_command, "import", "--change", labels, "-", reference], stdin=tar.stdout, check=False
        )
    if tar.returncode != 0 or done.returncode != 0:
        raise ImageError(f"the base {reference} could not be imported into the Docker Engine, see above")
