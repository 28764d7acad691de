"""The console: pages about GPUs behind the Hub's sign-in, their JSON API, metrics; a process beside the Hub."""
