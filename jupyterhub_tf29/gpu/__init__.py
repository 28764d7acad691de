"""GPUs: what there is, who gets which, and how a container comes to its own."""
