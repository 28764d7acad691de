"""The GPU broker: a process of its own that decides who holds which GPU, and remembers it."""
