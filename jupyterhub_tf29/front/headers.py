"""What every answer of the Hub tells the browser."""

from __future__ import annotations

PAGE_POLICY = (
    "default-src 'self'",
    # the Hub's own pages have scripts and styles in them
    "script-src 'self' 'unsafe-inline'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: https:",
    "connect-src 'self'",
    "font-src 'self' data:",
    "object-src 'none'",
    "base-uri 'self'",
)
"""Beside what the Hub says itself (`frame-ancestors 'none'`). A form may lead away: sign-in goes on elsewhere."""


def hub_headers() -> dict[str, str]:
    """Sent with every answer of the Hub; users' servers have headers of their own."""
    return {
        "X-Content-Type-Options": "nosniff",
        # addresses of the hub hold usernames and names of files
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
    }
