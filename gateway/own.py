"""The gateway's process: serves an app whose source is the link, until it is told to stop or its engine was stopped."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Final

import structlog

from domain.errors import ConfigError
from gateway.link.client import LinkSource
from gateway.link.keeper import Lock
from gateway.server import GatewayServer

ALONE_S: Final = 3600.0
LOOK_S: Final = 5.0

log = structlog.get_logger(__name__)


def hold(data: Path) -> Lock:
    """The lock of a data folder's gateway. Raises `ConfigError` when another one has it."""
    lock = Lock(data)
    if not lock.take():
        raise ConfigError(f"a gateway runs on {data} already: stop it first")
    return lock


async def left_alone(link: LinkSource) -> None:
    """Returns when nobody will ever come back: the data folder is gone, or an engine that should end this process.

    Whoever has started a gateway by hand ends it by hand.
    """
    loop = asyncio.get_running_loop()
    seen_s = loop.time()
    while link.path.parent.is_dir():
        if link.is_connected or not link.is_managed:
            seen_s = loop.time()
        if loop.time() - seen_s > ALONE_S:
            log.warning("no engine for an hour: the gateway ends, the next engine starts another one")
            return
        await asyncio.sleep(LOOK_S)


async def serve(server: GatewayServer, link: LinkSource) -> None:
    """Serve until SIGTERM or SIGINT, or until the engine that started this process was stopped or stays away."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    log.info("the gateway serves", address=server.url)
    work = [
        asyncio.create_task(link.keep(), name="gateway link"),
        asyncio.create_task(server.run(), name="gateway server"),
        asyncio.create_task(link.told_to_stop.wait(), name="gateway stop"),
        asyncio.create_task(stop.wait(), name="gateway signal"),
        asyncio.create_task(left_alone(link), name="gateway alone"),
    ]
    try:
        done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled() and (failure := task.exception()) is not None:
                log.error("the gateway ends", task=task.get_name(), exc_info=failure)
    finally:
        await server.aclose()
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
    log.info("the gateway has stopped")
