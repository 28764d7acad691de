"""Argon2 at a price that tests can pay: a hash takes microseconds instead of a tenth of a second."""

from argon2 import PasswordHasher

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
