"""The console: pages about GPUs behind the Hub's sign-in, their JSON API, and metrics. A service, not a part of the Hub."""
