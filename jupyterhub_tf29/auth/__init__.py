"""Sign-in: who comes in, and how. The hub calls `configure_sign_in`; the rest is behind it."""
