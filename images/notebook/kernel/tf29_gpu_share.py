"""Keep TensorFlow within a share of a GPU, in notebooks and in `python train.py` alike.

Where several people share one GPU, the hub sets TF29HUB_GPU_SHARE_MIB and, where it knows the memory of the
whole device, TF29HUB_GPU_MEMORY_MIB; else NVML is asked. A line in tf29_gpu_share.pth imports this module at the
start of every Python, and only if the first is set.

What is limited is the configuration that TensorFlow hands to its C++ runtime, at the moment it does so: a
fraction of the device's memory for this process. Unlike a logical device's memory_limit, that leaves
`set_memory_growth()`, which most tutorials call, as it is. A configuration of the user's own may ask for less,
not for more.

It is a seat belt, not a wall: other libraries, and two programs at once, can hold more. The hub watches what a
container holds in all and says so.
"""

import os
import sys
import warnings

CONTEXT_MIB = 600
"""CUDA's own context and libraries, which TensorFlow does not count (300 to 600 MiB, by card and driver)."""


def limit_mib(share_mib):
    """What TensorFlow may allocate, so that with CUDA's own part the process stays within its share."""
    return max(share_mib - CONTEXT_MIB, share_mib // 2)


def device_memory_mib():
    """The memory of the first device that this container sees, or None: without one there is nothing to limit."""
    import ctypes

    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
        device, memory = ctypes.c_void_p(), (ctypes.c_ulonglong * 3)()  # nvmlMemory_t: total, free, used
        calls = (nvml.nvmlInit_v2(), nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)))
        failed = any(calls) or nvml.nvmlDeviceGetMemoryInfo(device, memory)
    except (OSError, AttributeError):
        return None
    return None if failed else memory[0] // 2**20


def keep_within(gpu_options, share_mib, memory_mib):
    """Limit a GPUOptions message in place."""
    memory_mib = memory_mib or device_memory_mib()
    if not memory_mib or share_mib >= memory_mib:
        return
    devices = [device for device in gpu_options.experimental.virtual_devices if device.memory_limit_mb]
    if devices:
        # the user has cut the GPU into logical devices; a fraction beside them is refused by TensorFlow
        room = limit_mib(share_mib) / sum(sum(device.memory_limit_mb) for device in devices)
        for device in devices:
            if room < 1:
                device.memory_limit_mb[:] = [wanted * room for wanted in device.memory_limit_mb]
        return
    fraction = limit_mib(share_mib) / memory_mib
    asked = gpu_options.per_process_gpu_memory_fraction
    gpu_options.per_process_gpu_memory_fraction = min(asked, fraction) if asked else fraction


def _limit_eager(module, share_mib, memory_mib):
    """TensorFlow 2: Context.config is what the runtime starts with."""
    original = module.Context.config

    def config(self):
        message = original.fget(self)
        keep_within(message.gpu_options, share_mib, memory_mib)
        return message

    module.Context.config = property(config, doc=original.__doc__)


def _limit_sessions(module, share_mib, memory_mib):
    """`tf.compat.v1.Session`, which brings a configuration of its own."""
    original = module.BaseSession.__init__

    def __init__(self, target="", graph=None, config=None):
        message = module.config_pb2.ConfigProto()
        if config is not None:
            message.CopyFrom(config)
        keep_within(message.gpu_options, share_mib, memory_mib)
        original(self, target=target, graph=graph, config=message)

    module.BaseSession.__init__ = __init__


_PATCHES = {
    "tensorflow.python.eager.context": _limit_eager,
    "tensorflow.python.client.session": _limit_sessions,
}


class _Finder:
    """Finds nothing itself: lets the others find these two modules, and limits them once they have run."""

    def __init__(self, share_mib, memory_mib):
        self._limits = share_mib, memory_mib

    def find_spec(self, name, path=None, target=None):
        patch = _PATCHES.get(name)
        if patch is None:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                self._limit_after(spec.loader, patch)
                return spec
        return None

    def _limit_after(self, loader, patch):
        run = loader.exec_module

        def exec_module(module):
            run(module)
            try:
                patch(module, *self._limits)
            except Exception as error:  # another TensorFlow, installed by the user: it must still be importable
                warnings.warn(f"TensorFlow is not held to this workspace's GPU share: {error}", stacklevel=2)

        loader.exec_module = exec_module


def install(environment=os.environ):
    """Called when Python starts; a variable that is no number is none."""
    try:
        share_mib = int(environment["TF29HUB_GPU_SHARE_MIB"])
        memory_mib = int(environment.get("TF29HUB_GPU_MEMORY_MIB") or 0)
    except (KeyError, ValueError):
        return
    if share_mib > 0:
        sys.meta_path.insert(0, _Finder(share_mib, memory_mib))


install()
