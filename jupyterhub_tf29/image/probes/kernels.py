"""Print the kernels that the server offers: `name: display name: its Python`, one a line."""

from jupyter_client.kernelspec import KernelSpecManager

for name, found in KernelSpecManager(ensure_native_kernel=False).get_all_specs().items():
    print(f"{name}: {found['spec']['display_name']}: {found['spec']['argv'][0]}")
