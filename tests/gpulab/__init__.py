"""GPUs for machines without any: a stand-in for NVIDIA's driver, for tests and developers only.

It stands at the two real seams: a `libnvidia-ml.so.1` that the real bindings load, and a
`nvidia-container-runtime-hook` that the real Docker Engine calls. Start with `lab.py`.
"""
