"""What NVIDIA's driver says, read by a process of its own: NVML can hang for seconds on a dying card.

`reader.NvmlReader` is what the rest of the program uses; `worker` is the process, and only it imports `pynvml`.
"""
