"""Serves the gateway's app, on loopback or with TLS, without ever taking the engine down where it runs in its loop.

uvicorn means to own its process: it exits it when start-up fails, and installs signal handlers. Here it may not.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from msgspec import Struct

from domain.errors import ConfigError
from domain.loopback import NOT_LOOPBACK, is_loopback
from gateway.connection import Connection
from gateway.hub import MOST_CLIENTS
from gateway.pipe import FeedProtocol

RESTART_S = 5.0
TCP = socket.IPPROTO_TCP
"""Named, or asyncio leaves Nagle's algorithm on and every answer takes 40 ms."""
SHUTDOWN_S = 2

UVICORN: dict[str, Any] = {
    "http": Connection,
    "ws": FeedProtocol,
    "ws_max_size": 64 * 1024,
    "ws_per_message_deflate": False,
    "access_log": False,  # its lines would carry login tokens
    "log_config": None,
    "log_level": "warning",
    "proxy_headers": False,
    "server_header": False,
    "limit_concurrency": MOST_CLIENTS + 256,  # of the live feed, and of everything else
    "timeout_graceful_shutdown": SHUTDOWN_S,
}

log = structlog.get_logger(__name__)


class Outside(Struct, frozen=True, kw_only=True):
    """How it may be offered beyond this machine: with TLS of its own, or behind a proxy that takes the TLS off."""

    certificate: str = ""
    key: str = ""
    is_behind_proxy: bool = False

    def host(self, host: str) -> str:
        """The address to listen on. Raises `ConfigError` where it would offer trading without TLS."""
        if host == "localhost":
            return "127.0.0.1"
        if is_loopback(host):
            return host
        if not (self.certificate or self.is_behind_proxy):
            raise ConfigError(f"dashboard host {host!r} is refused: {NOT_LOOPBACK}")
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            raise ConfigError(f"dashboard host {host!r} is no address of this machine, such as 0.0.0.0") from None

    def files(self) -> dict[str, Any]:
        """What uvicorn is told of TLS. Raises `ConfigError` for files that are not there, open to others or no pair."""
        if not self.certificate:
            return {}
        try:
            mode = stat.S_IMODE(Path(self.key).stat().st_mode)
        except OSError as error:
            raise ConfigError(f"gateway.tls.key {self.key}: {error.strerror}") from None
        if mode & 0o077:
            raise ConfigError(f"gateway.tls.key {self.key} can be read by others (mode {mode:03o}): chmod 600 it")
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                self.certificate, self.key, _no_password
            )
        except ssl.SSLError as error:
            raise ConfigError(
                f"gateway.tls: certificate and key are no pair that can be read ({error.reason})"
            ) from None
        except OSError as error:
            raise ConfigError(f"gateway.tls.certificate {self.certificate}: {error.strerror}") from None
        return {"ssl_certfile": self.certificate, "ssl_keyfile": self.key}


def _no_password() -> str:
    raise ConfigError("gateway.tls.key is sealed with a passphrase: nobody is there to type it at a restart")


NOWHERE = Outside()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the engine has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture nothing."""
        yield


class GatewayServer:
    """An app on `host`:`port` (port 0: any free one). The socket is bound at once, so `url` is known before `run`.

    Raises `ConfigError` for a host that is not loopback and has no TLS, for TLS files that cannot be used, and for an
    address that cannot be had. The files are read at the start of the gateway: new ones count after its restart.
    """

    def __init__(self, app: FastAPI, host: str = "127.0.0.1", port: int = 8765, outside: Outside = NOWHERE) -> None:
        self._app = app
        self._host = outside.host(host)
        self._tls = outside.files()
        self._socket: socket.socket | None = self._bind(port)
        self.port: int = self._socket.getsockname()[1]
        self._server: _Server | None = None
        self._closed = False

    @property
    def url(self) -> str:
        """Address of the dashboard, without a trailing slash."""
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{f'[{self._host}]' if ':' in self._host else self._host}:{self.port}"

    async def listening(self) -> None:
        """It listens from the beginning."""

    async def run(self) -> None:
        """Serve until cancelled or closed; what breaks is logged and started again after some seconds."""
        while not self._closed:
            failure = await self._serve()
            if failure is not None:
                log.error("the dashboard stopped, trading goes on", error=repr(failure), retry_s=RESTART_S)
                await asyncio.sleep(RESTART_S)

    async def _serve(self) -> BaseException | None:
        """Serve once; returns how it failed, None after a clean stop. A cancellation stops it cleanly first."""
        task = asyncio.create_task(self._run_uvicorn(), name="gateway server")
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._stop_serving()
            await asyncio.wait({task}, timeout=2 * SHUTDOWN_S)
            raise

    async def _run_uvicorn(self) -> BaseException | None:
        try:
            listener = self._socket or self._bind(self.port)
            self._socket = None
            with contextlib.closing(listener):
                self._server = _Server(uvicorn.Config(self._app, **UVICORN, **self._tls))
                await self._server.serve([listener])
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a SystemExit in a task would stop the engine's loop
            return error
        return None

    async def aclose(self) -> None:
        """Stop serving; `run` then returns. Harmless when it never ran."""
        self._closed = True
        self._stop_serving()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _stop_serving(self) -> None:
        if self._server is not None:
            self._server.should_exit = True

    def _bind(self, port: int) -> socket.socket:
        listener = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET, socket.SOCK_STREAM, TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, port))
            listener.listen()  # so that a connection made before `run` waits instead of being refused
            listener.setblocking(False)
        except OSError as error:
            listener.close()
            raise ConfigError(
                f"the dashboard cannot listen on {self._host}:{port}: {error.strerror}. "
                "Is another instance running? Choose another dashboard port, or 0 for any free one."
            ) from error
        return listener
