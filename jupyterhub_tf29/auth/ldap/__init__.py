"""Sign-in with a directory: `servers` and `directory` speak LDAP and know no hub, `authenticator` is the hub's."""
