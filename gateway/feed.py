"""The live feed at /ws/feed: one snapshot, then every fact, numbered without gaps.

    {"n": 0, "type": "snapshot", "missed": 0, "data": {...}}
    {"n": 1, "type": "fact", "data": {"type": "fill", "seq": ..., "index": ..., ...}}

`n` counts the frames of this connection. A snapshot holds everything up to its `status.seq`. A reader too slow for
the facts gets a new one, whose `missed` says how many facts were lost. Numbers are decimal strings. The feed is closed
with 4401 when the session ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal
from typing import Any

import msgspec
from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from domain.facts import Fact
from domain.instrument import Instrument
from gateway.access.caller import Caller
from gateway.gateway import Gateway

SESSION_CHECK_S = 1.0
SESSION_ENDED = 4401
KEPT_FACTS = 1_000
"""Facts that may wait for a slow client."""

SCALED = {"price": "price_decimals", "trigger": "price_decimals", "qty": "qty_decimals", "filled": "qty_decimals"}


def fact_frame(fact: Fact, instrument: Instrument | None) -> dict[str, Any]:
    """A fact as JSON-ready values; what the core counts in an instrument's scale becomes a decimal string."""
    frame: dict[str, Any] = msgspec.to_builtins(fact)
    if instrument is not None:
        for name, scale in SCALED.items():
            if name in frame:
                frame[name] = f"{Decimal(frame[name]).scaleb(-getattr(instrument, scale)):f}"
    return frame


async def serve_feed(socket: WebSocket, gateway: Gateway, caller: Caller) -> None:
    """Feed one client until it leaves or its session ends."""
    await socket.accept()
    tasks = {
        asyncio.create_task(_send_facts(socket, gateway), name="feed: facts"),
        asyncio.create_task(_listen(socket), name="feed: listen"),
        asyncio.create_task(_outlive(gateway, caller), name="feed: session"),
    }
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    ended = any(task.get_name() == "feed: session" for task in done)
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the client may have left first
        await socket.close(SESSION_ENDED if ended else 1000)


async def _send_facts(socket: WebSocket, gateway: Gateway) -> None:
    n = 0
    missed = 0
    told_seq = 0

    async def send(kind: str, data: object, **extra: int) -> None:
        nonlocal n
        await socket.send_text(msgspec.json.encode({"n": n, "type": kind, **extra, "data": data}).decode())
        n += 1

    async def send_snapshot(missed_now: int) -> None:
        nonlocal told_seq
        snapshot = gateway.reader.fresh()
        told_seq = snapshot.status.seq
        await send("snapshot", snapshot, missed=missed_now)

    async with gateway.desk.facts(KEPT_FACTS) as facts:
        await send_snapshot(0)
        async for fact in facts:
            if facts.missed != missed:
                lost, missed = facts.missed - missed, facts.missed
                await send_snapshot(lost)
            if fact.seq > told_seq:
                instrument = gateway.desk.contract(getattr(fact, "instrument", ""))
                await send("fact", fact_frame(fact, instrument))


async def _listen(socket: WebSocket) -> None:
    """Wait for the client to leave; what it says is ignored."""
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.receive_text()


async def _outlive(gateway: Gateway, caller: Caller) -> None:
    while True:
        await asyncio.sleep(SESSION_CHECK_S)
        if not await gateway.still(caller):
            return
