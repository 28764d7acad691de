"""The spawner, in layers, and the decisions about one server that it is made of."""
