"""Make the stub image: this machine's own Debian or Ubuntu Python and `server.py`, about 40 MB, in two
seconds.

It keeps the notebook image's contract (user jovyan 1000, /home/jovyan, /datasets, /models, port 8888,
`start-server`, label `tf29hub.image=notebook`), so that the hub takes it for one.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import docker
import docker.errors

REPOSITORY = "tf29hub-test-stub"
HERE = Path(__file__).parent
_LEFT_OUT = re.compile(
    r"/(test|tests|idlelib|lib2to3|ensurepip|pydoc_data|config-[^/]*|dist-packages|tkinter)(/|$)"
)
_ETC = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/false\njovyan:x:1000:1000::/home/jovyan:/bin/false\n",
    "etc/group": "root:x:0:\njovyan:x:1000:\n",
}


def ensure_stub_image(engine: docker.DockerClient) -> str:
    """The image's id on `engine`; made when it is not there."""
    python = _system_python()
    state = "".join([(HERE / "server.py").read_text(), Path(__file__).read_text(), _version(python)])
    tag = hashlib.sha256(state.encode()).hexdigest()[:16]
    try:
        return str(engine.images.get(f"{REPOSITORY}:{tag}").id)
    except docker.errors.ImageNotFound:
        pass
    changes = [
        "USER 1000:1000",
        "WORKDIR /home/jovyan",
        "ENV HOME=/home/jovyan PATH=/usr/local/bin:/usr/bin LANG=C.UTF-8 NB_USER=jovyan",
        "EXPOSE 8888",
        'CMD ["start-server"]',
        "LABEL tf29hub.image=notebook",
    ]
    engine.api.import_image_from_data(_root_filesystem(python), REPOSITORY, tag, changes=changes)
    return str(engine.images.get(f"{REPOSITORY}:{tag}").id)


def ensure_foreign_image(engine: docker.DockerClient, image_id: str) -> str:
    """The id of an image like `image_id` that says it is for another CPU architecture."""
    saved = b"".join(engine.images.get(image_id).save(named=False))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(saved)) as old, tarfile.open(fileobj=buffer, mode="w") as new:
        manifest = json.loads(_content(old, "manifest.json"))
        config = json.loads(_content(old, manifest[0]["Config"]))
        config["architecture"] = "riscv64" if config["architecture"] != "riscv64" else "amd64"
        text = json.dumps(config)
        name = f"{hashlib.sha256(text.encode()).hexdigest()}.json"
        manifest[0].update(Config=name, RepoTags=[f"{REPOSITORY}:foreign"])
        _add_text(new, name, text, 0o644)
        _add_text(new, "manifest.json", json.dumps(manifest), 0o644)
        for layer in manifest[0]["Layers"]:
            new.addfile(old.getmember(layer), old.extractfile(layer))
    return str(engine.images.load(buffer.getvalue())[0].id)


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    if member is None:
        raise KeyError(f"{name} is not a file of this image archive")
    return member.read()


def _system_python() -> Path:
    """Debian's own interpreter: nearly all of its standard library's C modules are built into it."""
    found = sorted(Path("/usr/bin").glob("python3.[0-9]*"), key=lambda path: len(path.name))
    pythons = [path for path in found if re.fullmatch(r"python3\.\d+", path.name)]
    if not pythons:
        raise RuntimeError("the stub image is made from Debian's Python: apt-get install python3")
    return pythons[-1]


def _version(python: Path) -> str:
    return subprocess.run([python, "-VV"], capture_output=True, text=True, check=True).stdout


def _root_filesystem(python: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder, owner, mode in [
            ("tmp", 0, 0o1777),
            ("home", 0, 0o755),
            ("home/jovyan", 1000, 0o755),
            ("datasets", 1000, 0o755),
            ("models", 1000, 0o755),
        ]:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, owner, owner
            archive.addfile(entry)
        # Docker copies the image's home into a new volume: in one of 64 KiB there is no room for this.
        _add_text(archive, "home/jovyan/.of-the-image", "x" * 2**18, 0o644)
        for name, text in _ETC.items():
            _add_text(archive, name, text, 0o644)
        start = f"#!/usr/bin/{python.name} -IS\n{(HERE / 'server.py').read_text()}"
        _add_text(archive, "usr/local/bin/start-server", start, 0o755)
        archive.add(python.resolve(), f"usr/bin/{python.name}")
        link = tarfile.TarInfo("usr/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, python.name
        archive.addfile(link)
        for library in _libraries(python):
            archive.add(library.resolve(), str(library).lstrip("/"))
        standard = f"/usr/lib/{python.name}"
        archive.add(standard, standard.lstrip("/"), filter=_without_ballast)
    return buffer.getvalue()


def _without_ballast(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if _LEFT_OUT.search(f"/{entry.name}") else entry


def _libraries(python: Path) -> list[Path]:
    listed = subprocess.run(["ldd", python], capture_output=True, text=True, check=True).stdout
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", listed)]


def _add_text(archive: tarfile.TarFile, name: str, text: str, mode: int) -> None:
    data = text.encode()
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, io.BytesIO(data))
