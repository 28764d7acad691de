"""Whole hubs for tests: JupyterHub with this project's configuration, its proxy, a Docker network of their own."""
