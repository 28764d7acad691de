"""What sign-in tells the audit trail; the trail itself is in the room `audit`."""

from ..audit.trail import record

__all__ = ["record"]
