"""Build the notebook image, or find the build that these very inputs gave before."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from docker.errors import APIError, ImageNotFound
from docker.utils.build import exclude_paths

from . import bases
from .engine import IMAGE_LABEL, INSTALLATION_LABEL, ImageError, architecture, building_client
from .pin import Pin

BASE_LABEL = "tf29hub.base"
BUILT_LABEL = "tf29hub.built"

_HOST_CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora and its kin
)


@dataclass(frozen=True)
class Plan:
    """All that decides what comes out of a build."""

    context: Path
    """The folder images/notebook of the project."""
    repository: str
    """What the image is named."""
    installation: str
    """`name` of hub.yaml."""
    base: str | None = None
    """What `--base` said."""
    renew_base: bool = False
    """Get or make the base again, for its security updates."""
    mirror: str | None = None
    """Where debootstrap gets Debian's packages; None: its default."""
    ca: Path | None = None
    """A PEM bundle that the build trusts; it stays out of the image unless `ca_into_image`."""
    ca_into_image: bool = False
    """Whether users' containers trust that bundle too, as they must behind a TLS-inspecting proxy."""


def default_context() -> Path:
    """images/notebook, beside an installation's programs or of this checkout. Raises ImageError."""
    installed = os.environ.get("TF29HUB_PROGRAM")
    beside = Path(installed) if installed else Path(__file__).resolve().parents[2]
    context = beside / "images" / "notebook"
    if not (context / "Dockerfile").is_file():
        raise ImageError(
            f"{context} has no Dockerfile: this package does not run from a checkout of the project; "
            "say where images/notebook is with --context"
        )
    return context


def host_ca_bundle() -> Path | None:
    """The PEM bundle that this machine trusts: SSL_CERT_FILE, or the distribution's own."""
    for candidate in (os.environ.get("SSL_CERT_FILE"), *_HOST_CA_BUNDLES):
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    return None


def build(client: Any, plan: Plan) -> Pin:
    """Build what `plan` says with the progress on the terminal; an unchanged image is found. Raises ImageError."""
    _check_machine(client)
    if plan.ca_into_image and plan.ca is None:
        raise ImageError("a CA bundle is to go into the image, and this machine has none: name it with --ca")
    base = bases.choose(
        plan.base,
        f"{plan.installation}/base:debian11",
        bases.has_nvidia_gpu,
        lambda reference: bases.available(client, reference),
    )
    _tell(f"base: {base.kind} ({base.reference}): {base.reason}")
    base_id = _provide(client, plan, base)
    tag = f"{plan.repository}:{content_hash(plan, base_id, architecture(client))[:12]}"
    try:
        image = client.images.get(tag)
        _tell(f"{tag} was built before from the same inputs: nothing to do")
    except ImageNotFound:
        image = client.images.get(_run_build(plan, base, base_id, tag))
        _tell(f"built {tag}")
    return pin_of(image, tag)


def pin_of(image: Any, tag: str) -> Pin:
    """The pin of a local image; by its repository's digest where it came from a registry."""
    labels = image.labels or {}
    digests = image.attrs.get("RepoDigests") or []
    return Pin(
        reference=digests[0] if digests else image.id,
        image_id=image.id,
        base=labels.get(BASE_LABEL, "unknown"),
        built=labels.get(BUILT_LABEL) or image.attrs.get("Created", ""),
        tag=tag,
    )


def kernel_id(context: Path) -> str:
    """The name of the kernel's lock: users' own packages are kept apart by it."""
    return hashlib.sha256((context / "kernel.lock").read_bytes()).hexdigest()[:8]


def content_hash(plan: Plan, base_id: str, machine: str) -> str:
    """64 hex digits that are the same whenever the same image would come out.

    Every file of the build context counts (name, content, whether it can be run), and the base, the architecture,
    the labels' installation and a CA bundle that goes into the image. Nothing of when and where counts.
    """
    digest = hashlib.sha256()
    ignored = (plan.context / ".dockerignore").read_text(encoding="utf-8").split()
    for name in sorted(exclude_paths(str(plan.context), ignored)):
        path = plan.context / name
        if path.is_file():
            digest.update(f"{name}\0{int(os.access(path, os.X_OK))}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    into_image = plan.ca.read_bytes() if plan.ca_into_image and plan.ca else b""
    digest.update("\0".join([base_id, machine, plan.installation]).encode())
    digest.update(hashlib.sha256(into_image).digest())
    return digest.hexdigest()


def _check_machine(client: Any) -> None:
    machine = architecture(client)
    if machine != "amd64":
        raise ImageError(
            f"TensorFlow 2.9 was released for x86-64 (amd64) alone, and this engine's machine is {machine}"
        )


def _provide(client: Any, plan: Plan, base: bases.Base) -> str:
    """Make sure that the engine has the base; its image ID. Raises ImageError."""
    try:
        if not plan.renew_base:
            return str(client.images.get(base.reference).id)
    except ImageNotFound:
        pass
    if base.kind == "debian":
        bases.make_debian(building_client(), base.reference, plan.installation, plan.mirror)
    elif subprocess.run([building_client(), "pull", base.reference], check=False).returncode != 0:
        raise ImageError(f"the base {base.reference} could not be pulled, see above; choose another with --base")
    try:
        return str(client.images.get(base.reference).id)
    except (ImageNotFound, APIError) as error:
        raise ImageError(f"the base {base.reference} is not in the engine: {error}") from error


def _run_build(plan: Plan, base: bases.Base, base_id: str, tag: str) -> str:
    """Run the build; the ID of what came out. Raises ImageError."""
    labels = {
        IMAGE_LABEL: "notebook",
        INSTALLATION_LABEL: plan.installation,
        BASE_LABEL: base.kind if base.kind != "image" else base.reference,
        "tf29hub.base-id": base_id,
        BUILT_LABEL: datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    with tempfile.TemporaryDirectory(prefix="tf29hub-build-") as folder:
        id_file = Path(folder) / "id"
        command = [building_client(), "build", "--tag", tag, "--iidfile", str(id_file)]
        command += [f"--label={key}={value}" for key, value in labels.items()]
        command += [f"--build-arg=BASE={base.reference}", f"--build-arg=KERNEL_ID={kernel_id(plan.context)}"]
        if plan.ca:
            command += ["--secret", f"id=ca,src={plan.ca}"]
        if plan.ca_into_image:
            command += ["--build-arg=CA_INTO_IMAGE=yes"]
        if not sys.stderr.isatty():
            command += ["--progress=plain"]
        done = subprocess.run(
            [*command, str(plan.context)], env={**os.environ, "DOCKER_BUILDKIT": "1"}, check=False
        )
        if done.returncode != 0:
            raise ImageError("the image could not be built, see above; nothing was changed")
        return id_file.read_text(encoding="utf-8").strip()


def _tell(line: str) -> None:
    print(line, flush=True)
