"""Names and addresses: under which name the gateway may be called, who really calls, and over what.

A page elsewhere in the same browser can reach a loopback port, so loopback alone protects nothing: `Host` must be a
name of ours (stops DNS rebinding), and `Origin`, where sent, this very address (stops cross-site requests).
What a proxy says of its client is believed of the proxies that the settings name, and of nobody else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from starlette.datastructures import Headers
from starlette.types import Scope

LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
PORT: Final = re.compile(r":[0-9]{1,5}")
MOST_HOPS: Final = 20

Address: TypeAlias = IPv4Address | IPv6Address
Range: TypeAlias = IPv4Network | IPv6Network


class Network:
    """`hosts` are names besides loopback's, `proxies` the networks (CIDR) whose `X-Forwarded-*` is believed."""

    def __init__(self, hosts: Sequence[str] = (), proxies: Sequence[str] = ()) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._proxies = tuple(ip_network(one) for one in proxies)

    def client_ip(self, scope: Scope) -> str:
        """The address of who calls: the last hop that is no proxy of ours."""
        peer = address_of((scope.get("client") or ("", 0))[0])
        if peer is None:
            return ""
        hops = [hop for line in Headers(scope=scope).getlist("x-forwarded-for") for hop in line.split(",")]
        for hop in reversed(hops[-MOST_HOPS:]):
            if not self._is_proxy(peer):
                break
            before = address_of(hop.strip())
            if before is None:
                break
            peer = before
        return str(peer)

    def scheme(self, scope: Scope) -> str:
        """How the browser came: https, also where a proxy of ours took the TLS off."""
        peer = address_of((scope.get("client") or ("", 0))[0])
        if peer is not None and self._is_proxy(peer):
            said = Headers(scope=scope).getlist("x-forwarded-proto")
            last = said[-1].rpartition(",")[2].strip().lower() if said else ""
            if last in {"http", "https"}:
                return last
        return "https" if scope.get("scheme") in {"https", "wss"} else "http"

    def _is_proxy(self, peer: Address) -> bool:
        return any(peer in network for network in self._proxies)

    def foreign_host(self, scope: Scope) -> str:
        """Say what is wrong with the name that was called; "" when nothing is."""
        hosts = Headers(scope=scope).getlist("host")
        host = hosts[0].lower() if len(hosts) == 1 else ""  # of two, a proxy may have gone by the other
        port = port_of(scope)
        if host in {f"{name}:{port}" for name in LOOPBACK_NAMES} or (port == 80 and host in LOOPBACK_NAMES):
            return ""
        name = PORT.sub("", host) if PORT.search(host) and PORT.sub("", host) + PORT.findall(host)[-1] == host else host
        if name in self._hosts:
            return ""
        return f"Host {host[:100]!r} is refused: open http://127.0.0.1:{port}, or a name of gateway.hosts"

    def foreign_origin(self, scope: Scope, *, required: bool) -> str:
        """Say what is wrong with where the request comes from; "" when nothing is."""
        headers = Headers(scope=scope)
        own = f"{self.scheme(scope)}://{headers.get('host', '').lower()}"
        origins = headers.getlist("origin")
        if not origins:
            return f"The Origin header is required here: send Origin: {own}" if required else ""
        if [origin.lower() for origin in origins] != [own]:
            return f"Origin {', '.join(origins)[:100]!r} is refused: only the dashboard's own pages may do this"
        return ""


def port_of(scope: Scope) -> int:
    """The port that was really dialled."""
    server = scope.get("server") or ("", 0)
    return int(server[1] or 0)


def cookie_name(scope: Scope, *, is_tls: bool = False) -> str:
    """Name the session cookie after the port: browsers share cookies between the ports of a host.

    Over TLS a browser takes `__Host-` only from this very host, with Secure and for the whole of it.
    """
    return f"{'__Host-' if is_tls else ''}moondev_{port_of(scope)}"


def address_of(text: str) -> Address | None:
    """An address as proxies write it, with or without a port; None for anything else."""
    bare = text[1:].partition("]")[0] if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ip_address(bare)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
