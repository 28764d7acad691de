"""A share of a GPU, in the notebook image with its real TensorFlow: what its C++ runtime is told to take at most.

There is no GPU here. `Context.config` is the message that TensorFlow's Python hands to its runtime; the tests read
it, with a physical device put into TensorFlow's own list where a tutorial needs one. That a card's allocator heeds
the message is TensorFlow's own work and cannot be tried here.
"""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.image]

SHARE_MIB, MEMORY_MIB = 8192, 40960
FRACTION = pytest.approx((SHARE_MIB - 600) / MEMORY_MIB, rel=1e-3)
SHARED = {"TF29HUB_GPU_SHARE_MIB": str(SHARE_MIB), "TF29HUB_GPU_MEMORY_MIB": str(MEMORY_MIB)}

PROGRAM = """
import json, tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.core.protobuf import config_pb2

told = {}
ctx = context.context()
options = lambda: ctx.config.gpu_options
told["plain"] = options().per_process_gpu_memory_fraction

gpu = context.PhysicalDevice("/physical_device:GPU:0", "GPU")
ctx._physical_devices.append(gpu)
ctx._visible_device_list.append(gpu)
ctx._memory_growth_map[gpu] = None
for one in tf.config.list_physical_devices("GPU"):  # as tutorials begin
    tf.config.experimental.set_memory_growth(one, True)
told["growth"] = [options().allow_growth, options().per_process_gpu_memory_fraction]

ctx._memory_growth_map[gpu] = None
cut = [tf.config.LogicalDeviceConfiguration(memory_limit=mib) for mib in (30000, 10000)]
tf.config.set_logical_device_configuration(gpu, cut)
limits = list(options().experimental.virtual_devices[0].memory_limit_mb)
told["logical"] = [limits, options().per_process_gpu_memory_fraction]

ctx._physical_devices.remove(gpu)
ctx._visible_device_list.remove(gpu)
ctx._virtual_device_map.clear()
ctx._memory_growth_map.clear()
less = config_pb2.ConfigProto(gpu_options=config_pb2.GPUOptions(per_process_gpu_memory_fraction=0.01))
more = config_pb2.ConfigProto(gpu_options=config_pb2.GPUOptions(per_process_gpu_memory_fraction=0.9))
told["sessions"] = []
for config in (None, less, more):
    with tf.Graph().as_default(), tf.compat.v1.Session(config=config) as session:
        session.run(tf.constant(1) + 1)
        asked = session._config.gpu_options.per_process_gpu_memory_fraction if session._config else 0
        told["sessions"].append(asked)
told["trained"] = float(tf.reduce_sum(tf.ones((10, 10))))
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def run(engine, notebook_image, made):
    """`run(environment, command…)`: the last line that a fresh container of the image prints, as JSON."""

    def start(environment: dict[str, str], *command: str) -> dict:
        output = engine.containers.run(
            notebook_image.image_id,
            list(command),
            environment={"TF_CPP_MIN_LOG_LEVEL": "3", **environment},
            labels={"tf29hub.name": made},
            remove=True,
        )
        return json.loads(output.decode().strip().splitlines()[-1])

    return start


@pytest.fixture(scope="module")
def shared(run) -> dict:
    """What a plain `python train.py` is told under a share."""
    return run(SHARED, "python", "-c", PROGRAM)


def test_a_plain_program_may_take_its_share(shared):
    assert shared["plain"] == FRACTION


def test_a_tutorial_that_asks_for_growth_runs_and_keeps_to_the_share(shared):
    growth, fraction = shared["growth"]
    assert growth is True
    assert fraction == FRACTION


def test_logical_devices_of_the_users_own_are_cut_down_together(shared):
    limits, fraction = shared["logical"]
    assert sum(limits) == pytest.approx(SHARE_MIB - 600)
    assert limits[0] / limits[1] == pytest.approx(3)
    assert fraction == 0, "TensorFlow refuses both at once"


def test_sessions_of_tensorflow_1_may_ask_for_less_but_not_for_more(shared):
    default, less, more = shared["sessions"]
    assert default == FRACTION
    assert less == pytest.approx(0.01)
    assert more == FRACTION


def test_it_still_computes(shared):
    assert shared["trained"] == 100


def test_without_a_share_nothing_is_limited(run):
    free = run({}, "python", "-c", PROGRAM)
    assert free["plain"] == 0
    assert free["growth"] == [True, 0]
    assert free["logical"] == [[30000, 10000], 0]
    assert free["sessions"][2] == pytest.approx(0.9)


def test_a_notebooks_kernel_is_told_the_same(run):
    code = (
        "import json, tensorflow as tf; from tensorflow.python.eager import context; "
        "print(json.dumps({'plain': context.context().config.gpu_options.per_process_gpu_memory_fraction}))"
    )
    cell = {"cell_type": "code", "metadata": {}, "source": code, "outputs": [], "execution_count": None}
    notebook = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4})
    script = (
        "cd /tmp && cat > n.ipynb <<'END'\n"
        f"{notebook}\n"
        "END\n"
        "jupyter-nbconvert --to notebook --execute --stdout --ExecutePreprocessor.kernel_name=python3 n.ipynb"
        " | python -c \"import json, sys; print(json.load(sys.stdin)['cells'][0]['outputs'][-1]['text'][-1])\""
    )
    assert run(SHARED, "bash", "-c", script)["plain"] == FRACTION
