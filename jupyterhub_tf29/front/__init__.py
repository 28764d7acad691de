"""The front: the address that browsers use, TLS, and what every answer of the hub tells them to do."""
