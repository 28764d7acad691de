"""OpenID Connect and OAuth providers for tests: a real one (Canaille), and stand-ins that can be made to lie."""
