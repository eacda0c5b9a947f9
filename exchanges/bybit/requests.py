"""Intents as calls of Bybit's API: one by one, or several of a kind in a batch, over the WebSocket or REST.

A conditional order is an order with a trigger: it takes at the market, or up to a worst price, when that is traded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from domain.errors import Unrepresentable
from domain.instrument import Instrument
from domain.order import BUY, SELL, Amend, Cancel, OrderKind, Place
from exchanges.bybit.config import BATCH, CANCELS, CATEGORY, MAX_RECV_MS, MS, WINDOW
from exchanges.viaccxt.dialect import Call, Request
from exchanges.viaccxt.session import Session

SIDES = {"Buy": BUY, "Sell": SELL}
TIFS = {OrderKind.LIMIT: "GTC", OrderKind.POST_ONLY: "PostOnly", OrderKind.IOC: "IOC"}
RISES, FALLS = 1, 2
LONGEST = 36
SMP = "CancelTaker"
"""Our own orders never trade with each other: the one that comes goes."""


def side_of(side: int) -> str:
    """The venue's word."""
    return "Buy" if side == BUY else "Sell"


def written(session: Session, parts: Sequence[Request]) -> list[Call]:
    """The calls of neighbouring requests, in their order. Raises `Unrepresentable`."""
    return [_call(session, group) for group in _groups(parts)]


def _groups(parts: Sequence[Request]) -> Iterable[list[Request]]:
    """Neighbours of one kind; an order is in a batch once."""
    group: list[Request] = []
    for part in parts:
        most = CANCELS if isinstance(part, Cancel) else BATCH
        is_same = group and type(group[0]) is type(part) and len(group) < most
        if group and (not is_same or any(each.cid == part.cid for each in group)):
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def _call(session: Session, group: list[Request]) -> Call:
    first = group[0]
    name = "create" if isinstance(first, Place) else "amend" if isinstance(first, Amend) else "cancel"
    orders = [_words(session, part) for part in group]
    if len(orders) == 1:
        path, params = name, {"category": CATEGORY, **orders[0]}
    else:
        path, params = f"{name}-batch", {"category": CATEGORY, "request": orders}
    window_ms = _window_ms(session, group)
    return Call(
        parts=group, api="private", method="POST", path=f"v5/order/{path}", params={**params, WINDOW: window_ms},
        socket=f"order.{path}", orders=len(orders),
    )  # fmt: skip


def _window_ms(session: Session, parts: Sequence[Request]) -> int:
    """How long after its timestamp the venue may take a request."""
    ends = [part.valid_until_ns for part in parts if isinstance(part, Place | Amend) and part.valid_until_ns]
    left_ms = (min(ends) - session.clock.now_ns()) // MS if ends else MAX_RECV_MS
    return max(1, min(MAX_RECV_MS, left_ms))


def _words(session: Session, part: Request) -> dict[str, Any]:
    instrument = session.instrument(part.instrument)
    if isinstance(part, Cancel) and part.venue_id:
        return {"symbol": instrument.venue_symbol, "orderId": part.venue_id}
    if len(part.cid) > LONGEST:
        raise Unrepresentable(f"the client id {part.cid} is longer than Bybit's {LONGEST} characters")
    names = {"symbol": instrument.venue_symbol, "orderLinkId": part.cid}
    if isinstance(part, Place):
        return names | _place(instrument, part)
    return names | _amend(session, instrument, part) if isinstance(part, Amend) else names


def _place(instrument: Instrument, place: Place) -> dict[str, Any]:
    words: dict[str, Any] = {
        "side": side_of(place.side),
        "qty": instrument.qty_text(place.qty),
        "positionIdx": 0,
        "smpType": SMP,
        "reduceOnly": place.reduce_only,
    }
    if place.kind in TIFS:
        terms = {"orderType": "Limit", "price": instrument.price_text(place.price), "timeInForce": TIFS[place.kind]}
        return words | terms
    if place.price:
        words |= {"orderType": "Limit", "price": instrument.price_text(place.price), "timeInForce": "IOC"}
    else:
        words |= {"orderType": "Market"}
    rises = (place.side == BUY) == (place.kind is OrderKind.STOP)
    return words | {
        "triggerPrice": instrument.price_text(place.trigger),
        "triggerDirection": RISES if rises else FALLS,
        "triggerBy": "LastPrice",
        "closeOnTrigger": place.reduce_only,
    }


def _amend(session: Session, instrument: Instrument, amend: Amend) -> dict[str, Any]:
    line = session.orders.line(amend.cid)
    words = {"qty": instrument.qty_text(amend.qty)}
    if amend.price:
        words["price"] = instrument.price_text(amend.price)
    if amend.trigger and (line is None or line.is_trigger):
        words["triggerPrice"] = instrument.price_text(amend.trigger)
    return words
