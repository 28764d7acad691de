"""Which base is chosen, and what is said about it."""

from __future__ import annotations

import pytest

from jupyterhub_tf29.image import bases
from jupyterhub_tf29.image.engine import ImageError

DEBIAN = "tf29hub/base:debian11"
NOTHING: set[str] = set()


@pytest.mark.parametrize(
    ("forced", "gpu", "registry", "kind", "reference", "word"),
    [
        pytest.param(None, True, {bases.CUDA, bases.UBUNTU}, "cuda", bases.CUDA, "GPU", id="GPU and registry"),
        pytest.param(
            None, False, {bases.CUDA, bases.UBUNTU}, "ubuntu", bases.UBUNTU, "no NVIDIA GPU", id="no GPU"
        ),
        pytest.param(
            None, True, {bases.UBUNTU}, "ubuntu", bases.UBUNTU, "no GPU can be used", id="no NVIDIA image"
        ),
        pytest.param(None, False, NOTHING, "debian", DEBIAN, "no container registry answers", id="no registry"),
        pytest.param(None, True, NOTHING, "debian", DEBIAN, "no GPU can be used", id="GPU, no registry"),
        pytest.param("debian", True, {bases.CUDA}, "debian", DEBIAN, "--base", id="debian is forced"),
        pytest.param("cuda", False, NOTHING, "cuda", bases.CUDA, "--base", id="cuda is forced"),
        pytest.param("ubuntu", False, NOTHING, "ubuntu", bases.UBUNTU, "--base", id="ubuntu is forced"),
        pytest.param("my/base:7", True, NOTHING, "image", "my/base:7", "--base", id="an image is forced"),
    ],
)
def test_choice(forced, gpu, registry, kind, reference, word):
    chosen = bases.choose(forced, DEBIAN, lambda: gpu, registry.__contains__)
    assert (chosen.kind, chosen.reference) == (kind, reference)
    assert word in chosen.reason


def test_a_forced_base_asks_neither_registry_nor_bus():
    def never(*_: object) -> bool:
        raise AssertionError("nobody needs to know")

    assert bases.choose("cuda", DEBIAN, never, never).kind == "cuda"


@pytest.mark.parametrize(
    ("vendor", "device_class", "found"),
    [
        pytest.param("0x10de", "0x030200", True, id="NVIDIA compute card"),
        pytest.param("0x10de", "0x030000", True, id="NVIDIA graphics card"),
        pytest.param("0x10de", "0x040300", False, id="NVIDIA sound"),
        pytest.param("0x8086", "0x030000", False, id="another maker's graphics card"),
    ],
)
def test_gpus_are_seen_on_the_bus_without_a_driver(tmp_path, vendor, device_class, found):
    device = tmp_path / "sys/bus/pci/devices/0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text(f"{vendor}\n")
    (device / "class").write_text(f"{device_class}\n")
    assert bases.has_nvidia_gpu(tmp_path) is found


def test_a_machine_without_a_pci_bus_has_no_gpu(tmp_path):
    assert bases.has_nvidia_gpu(tmp_path) is False


def test_without_debootstrap_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(bases.shutil, "which", lambda *_, **__: None)
    with pytest.raises(ImageError, match="apt-get install debootstrap debian-archive-keyring"):
        bases.make_debian("docker", DEBIAN, "tf29hub")


def test_debian_gets_its_security_updates_from_the_same_mirror(tmp_path):
    sources = tmp_path / "sources.list"
    sources.write_text("deb http://mirror.example/debian bullseye main\n")
    bases._add_security_updates(sources)
    assert sources.read_text().splitlines() == [
        "deb http://mirror.example/debian bullseye main",
        "deb http://mirror.example/debian-security bullseye-security main",
    ]
