"""A stand-in of Hyperliquid's order side in the bench's own process: reads actions, writes the venue's answers."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

ADDRESS = "0x" + "ab" * 20


class _Order(Struct):
    c: str
    b: bool
    p: str
    s: str
    t: dict[str, Any]


class _Modify(Struct):
    oid: str
    order: _Order


class _Cancel(Struct):
    cloid: str


class _Action(Struct):
    type: str
    orders: list[_Order] = []  # msgspec copies it
    modifies: list[_Modify] = []
    cancels: list[_Cancel] = []


class _Payload(Struct):
    action: _Action


class _Request(Struct):
    payload: _Payload


class _Post(Struct):
    id: int
    request: _Request


class StandIn:
    """The other end of the socket: whatever takes is filled, whatever rests rests, moves when told, or is cancelled."""

    closed = False

    def __init__(self, take: Callable[[bytes], None]) -> None:
        """Frames for us go to `take`."""
        self._take = take
        self._decode = msgspec.json.Decoder(_Post).decode
        self._oids = itertools.count(1_000)
        self._resting: dict[str, dict[str, Any]] = {}
        self.orders = self.moved = 0
        self.sent: list[tuple[int, int]] = []
        """When a frame came (ns), and how many orders were in it; for whoever measures to take away."""

    async def send_str(self, frame: str) -> None:
        """A signed action; it is answered in the loop's next turn."""
        at_ns = time.perf_counter_ns()
        post = self._decode(frame)
        action = post.request.payload.action
        self.sent.append((at_ns, len(action.orders)))
        self.orders += len(action.orders)
        self.moved += len(action.modifies)
        streams: list[dict[str, Any]] = []
        statuses: list[Any] = [self._order(order, streams) for order in action.orders]
        statuses += [self._modify(modify, streams) for modify in action.modifies]
        statuses += [self._cancel(cancel, streams) for cancel in action.cancels]
        payload = {"status": "ok", "response": {"type": "order", "data": {"statuses": statuses}}}
        answer = {"channel": "post", "data": {"id": post.id, "response": {"type": "action", "payload": payload}}}
        loop = asyncio.get_running_loop()
        for message in (answer, *streams):
            loop.call_soon(self._take, msgspec.json.encode(message))

    def _order(self, order: _Order, streams: list[dict[str, Any]]) -> dict[str, Any]:
        oid, now_ms = next(self._oids), time.time_ns() // 10**6
        side = "B" if order.b else "A"
        told = {
            "coin": "BTC", "side": side, "limitPx": order.p, "sz": order.s, "origSz": order.s, "oid": oid,
            "timestamp": now_ms, "cloid": order.c,
        }  # fmt: skip
        streams.append(_update(told, "open"))
        if order.t["limit"]["tif"] != "Ioc":
            self._resting[order.c] = told
            return {"resting": {"oid": oid}}
        fill = {
            "coin": "BTC", "px": order.p, "sz": order.s, "side": side, "time": now_ms, "oid": oid, "crossed": True,
            "fee": "0.25", "tid": oid, "cloid": order.c,
        }  # fmt: skip
        streams.append({"channel": "userFills", "data": {"user": ADDRESS, "fills": [fill]}})
        streams.append(_update({**told, "sz": "0.0"}, "filled"))
        return {"filled": {"oid": oid, "totalSz": order.s, "avgPx": order.p}}

    def _modify(self, modify: _Modify, streams: list[dict[str, Any]]) -> dict[str, Any]:
        """Another order in its place, of the same cloid; as the venue tells it, the old one ends when the new is up."""
        old = self._resting.pop(modify.oid)
        status = self._order(modify.order, streams)
        streams.append(_update(old, "canceled"))
        return status

    def _cancel(self, cancel: _Cancel, streams: list[dict[str, Any]]) -> str:
        streams.append(_update(self._resting.pop(cancel.cloid), "canceled"))
        return "success"


def _update(order: dict[str, Any], status: str) -> dict[str, Any]:
    data = [{"order": order, "status": status, "statusTimestamp": time.time_ns() // 10**6}]
    return {"channel": "orderUpdates", "data": data}
