"""Prove item by item, in a container such as the spawner starts, that an image is what the README says."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ..units import format_size
from .box import Box, CheckFailed, opened

NEWER_NUMPY = "1.26.4"
"""Newer than the kernel's, and with a wheel for Python 3.9."""

Check = Callable[[Box], str]


def verify(
    client: Any, image: Any, installation: str, offline: bool = False, only: frozenset[str] | None = None
) -> bool:
    """Print a line for each item; whether all of them hold. Raises ImageError where no container can be had.

    `offline`: no package index can be reached from containers; what needs one is named, and not claimed.
    `only`: the titles of the checks to do; None: all.
    """
    print(f"verify {', '.join(image.tags) or image.short_id} ({image.short_id})", flush=True)
    failed = 0
    with opened(client, image, installation) as box:
        for title, check in CHECKS + ([] if offline else PIP_CHECKS):
            if only is None or title in only:
                failed += not _report(title, partial(check, box))
    if offline:
        print("--      pip: not tried (--offline): nothing is shown about users' own packages")
    print(f"ok      size: {format_size(image.attrs['Size'])}")
    print(f"{failed} item(s) failed" if failed else "everything that was tried holds", flush=True)
    return not failed


def _report(title: str, check: Callable[[], str]) -> bool:
    started = time.monotonic()
    try:
        ok, detail = True, check()
    except CheckFailed as error:
        ok, detail = False, str(error)
    print(f"{'ok' if ok else 'FAILED':7} {title}: {detail} [{time.monotonic() - started:.1f} s]", flush=True)
    return ok


def _expect(condition: bool, found: str) -> None:
    if not condition:
        raise CheckFailed(found)


def _server_answers(box: Box) -> str:
    return f"the Jupyter server answers {box.wait_for_server():.1f} s after its container was started"


def _not_root(box: Box) -> str:
    users = box.run("id -u; ps -eo uid= | sort -u").split()
    _expect(set(users) == {"1000"}, f"processes of the users {', '.join(sorted(set(users)))}, expected 1000 alone")
    status = dict(line.split(":\t", 1) for line in box.run("cat /proc/1/status").splitlines() if ":\t" in line)
    granted = [name for name in ("CapEff", "CapPrm", "CapBnd") if int(status[name], 16)]
    _expect(not granted, f"capabilities are left: {granted}")
    _expect(status["NoNewPrivs"] == "1", "new privileges can be gained")
    return "user 1000, no capabilities, no new privileges"


def _init(box: Box) -> str:
    first = box.run("cat /proc/1/comm")
    _expect(first == "tini", f"process 1 is {first}")
    return "tini is process 1"


def _kernel_versions(box: Box) -> str:
    lines = box.in_kernel("kernel_versions.py").splitlines()
    versions = dict(line.split(" ", 1) for line in lines)
    for name, prefix in {"Python": "3.9.", "TensorFlow": "2.9.3", "NumPy": "1.", "TensorBoard": "2.9."}.items():
        _expect(versions.get(name, "").startswith(prefix), f"{name} {versions.get(name)}, expected {prefix}*")
    return ", ".join(lines)


def _server_versions(box: Box) -> str:
    code = (
        "import importlib.metadata as m; "
        "print(*(f'{n} {m.version(n)}' for n in ('jupyterlab', 'jupyterhub', 'jupyter_server')), sep=', ')"
    )
    return box.run(f'/opt/jupyter/bin/python -c "{code}"')


def _commands(box: Box) -> str:
    box.run("command -v tflite_convert tensorboard git curl less nano vi python pip")
    keys = box.run("ls /etc/ssh/ | grep ssh_host || true")
    _expect(not keys, f"the image holds SSH host keys, which would be everybody's: {keys}")
    version = box.run("/usr/sbin/sshd -? 2>&1 | grep -o 'OpenSSH_[^ ,]*'")
    return f"{version} without host keys, tflite_convert, tensorboard, git, curl, less, nano, vi"


def _one_kernel(box: Box) -> str:
    found = box.run("/opt/jupyter/bin/python /tmp/verify/kernels.py")
    _expect(found == "python3: TensorFlow 2.9: /opt/tf29/bin/python", found)
    return "TensorFlow 2.9 is the one kernel, and the default"


def _training(box: Box) -> str:
    return box.in_kernel("train.py").splitlines()[-1]


def _conversion(box: Box) -> str:
    box.run("tflite_convert --saved_model_dir=/tmp/verify/model --output_file=/tmp/verify/model.tflite")
    return box.in_kernel("compare_tflite.py")


def _locales(box: Box) -> str:
    day = box.run("date -d 2026-01-31 +%A", {"LC_ALL": "zh_CN.UTF-8"})
    _expect(day == "星期六", f"`date` prints {day!r}, expected 星期六")
    echoed = box.run("python -c 'print(\"训练\")'")
    _expect(echoed == "训练", f"Python prints {echoed!r}, expected 训练")
    return "dates, the terminal and Python print Chinese"


def _chinese_plot(box: Box) -> str:
    return box.in_kernel("plot.py")


def _user_package(box: Box) -> str:
    log = box.run(f"pip install -q --retries 1 numpy=={NEWER_NUMPY} 2>&1 && echo DONE || true")
    if not log.endswith("DONE"):
        raise CheckFailed(_why_pip_failed(log))
    where = box.run("python -c 'import numpy; print(numpy.__version__, numpy.__file__)'")
    _expect(where.startswith(f"{NEWER_NUMPY} /home/jovyan/.tf29/"), where)
    _expect("numpy" in box.run("tf29-packages list"), "tf29-packages list does not show it")
    return f"NumPy {NEWER_NUMPY} went to the user's home"


def _why_pip_failed(log: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in log:
        return (
            "the image does not trust the package index's certificate; "
            "behind a TLS-inspecting proxy, build it with --ca-into-image"
        )
    if "No matching distribution" in log:
        return "no package index answers the container; where there is none: tf29hub image verify --offline"
    return " | ".join(log.splitlines()[-4:])


def _server_unharmed(box: Box) -> str:
    box.wait_for_server()
    box.restart()
    seconds = box.wait_for_server()
    version = box.run("python -c 'import numpy; print(numpy.__version__)'")
    _expect(version == NEWER_NUMPY, f"after a restart the kernel has NumPy {version}")
    return f"started again beside it in {seconds:.1f} s, and it is still there"


def _reset(box: Box) -> str:
    box.run("tf29-packages reset --yes")
    _expect(" 0 package(s)" in f" {box.run('tf29-packages list')}", "packages are left after a reset")
    return box.in_kernel("train.py").splitlines()[-1]


CHECKS: list[tuple[str, Check]] = [
    ("server", _server_answers),
    ("account", _not_root),
    ("init", _init),
    ("kernel", _one_kernel),
    ("kernel's versions", _kernel_versions),
    ("server's versions", _server_versions),
    ("commands", _commands),
    ("training", _training),
    ("tflite_convert", _conversion),
    ("locales", _locales),
    ("Chinese in plots", _chinese_plot),
]

PIP_CHECKS: list[tuple[str, Check]] = [
    ("pip install", _user_package),
    ("server and users' packages", _server_unharmed),
    ("reset", _reset),
]
