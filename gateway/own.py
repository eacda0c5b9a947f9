"""The gateway's process: serves an app whose source is the link, until it is told to stop or its engine was stopped."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import structlog

from domain.errors import ConfigError
from gateway.link.client import LinkSource
from gateway.link.keeper import Lock
from gateway.server import GatewayServer

log = structlog.get_logger(__name__)


def hold(data: Path) -> Lock:
    """The lock of a data folder's gateway. Raises `ConfigError` when another one has it."""
    lock = Lock(data)
    if not lock.take():
        raise ConfigError(f"a gateway runs on {data} already: stop it first")
    return lock


async def serve(server: GatewayServer, link: LinkSource) -> None:
    """Serve until SIGTERM or SIGINT, or until the engine that started this process was stopped."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    log.info("the gateway serves", address=server.url)
    work = [
        asyncio.create_task(link.keep(), name="gateway link"),
        asyncio.create_task(server.run(), name="gateway server"),
        asyncio.create_task(link.told_to_stop.wait(), name="gateway stop"),
        asyncio.create_task(stop.wait(), name="gateway signal"),
    ]
    try:
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await server.aclose()
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
    log.info("the gateway has stopped")
