"""Decides who gets which GPU: a pure function of state and time. Standard library only."""
