"""The locks of the notebook image: exact, hashed, of the right release, and free of addresses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "images" / "notebook"
LOCKS = ["kernel", "server", "pip"]
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
PIN = re.compile(r"^([a-z0-9-]+)==([^ ;]+)")


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Of each package in a lock: (version, number of hashes)."""
    text = (FOLDER / f"{name}.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            match = PIN.match(line)
            assert match, f"{name}.lock has a line that pins nothing: {line}"
            found[match[1]] = (match[2], len(HASH.findall(line)))
    return found


def wanted(name: str) -> list[str]:
    """The packages that an .in file asks for."""
    lines = (FOLDER / f"{name}.in").read_text(encoding="utf-8").splitlines()
    names = [re.match(r"[\w.-]+", line) for line in lines]
    return [match[0].lower() for match in names if match]


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_exact_and_has_hashes(name):
    packages = locked(name)
    assert packages
    assert [package for package, (_, hashes) in packages.items() if not hashes] == []


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_asked_for_is_in_the_lock(name):
    assert set(wanted(name)) <= set(locked(name))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.*")), ids=lambda path: path.name)
def test_no_package_index_is_named(path):
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    assert re.findall(r"\b(?:--(?:extra-)?index-url|--find-links|\w+\.(?:org|com|net|io))\b", text) == []


def test_the_kernel_is_what_tensorflow_2_9_needs():
    packages = {name: version for name, (version, _) in locked("kernel").items()}
    assert packages["tensorflow"] == "2.9.3"
    assert packages["numpy"].startswith("1.")
    assert packages["protobuf"].startswith("3.19.")
    assert packages["setuptools"].split(".")[0] < "80", "TensorBoard 2.9 needs pkg_resources"


@pytest.mark.parametrize(
    "package",
    [
        pytest.param("rfc3987-syntax", id="two seconds of every start"),
        pytest.param("rfc3986-validator", id="a tenth of a start"),
        pytest.param("ipykernel", id="a kernel of the server's own"),
        pytest.param("tensorflow", id="a kernel's package"),
    ],
)
def test_the_server_goes_without(package):
    assert package not in locked("server")


def test_the_server_is_as_readme_says():
    packages = locked("server")
    assert packages["jupyterlab"][0].startswith("4.")
    assert int(packages["jupyterhub"][0].split(".")[0]) >= 5
    assert {"jupyter-server-proxy", "jupyterlab-language-pack-zh-cn", "jupyter-server-terminals"} <= set(packages)
