"""Where the dashboard may listen without TLS: where nobody else's machine reaches it. Settings and gateway ask this."""

from __future__ import annotations

import ipaddress
from contextlib import suppress

NOT_LOOPBACK = (
    "it would offer trading to the network without TLS. "
    "Use 127.0.0.1, and reach it from elsewhere through an SSH tunnel to the same port; or set gateway.tls, or "
    "gateway.behind_proxy (docs/access.md)."
)


def is_loopback(host: str) -> bool:
    """True for an address that only this machine reaches."""
    with suppress(ValueError):
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    return False
