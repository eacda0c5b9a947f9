"""Intents as calls of Binance's API.

Orders go one by one over the WebSocket API, or up to five in a batch over REST; cancels up to ten. Conditional orders
live in a service of their own ("algo"), which has neither batches nor amendments: an amended stop is a new one, placed
before the old one is cancelled, so that a position is never without; both are reduce-only where the first was. Their
ids differ by a suffix, and to the engine they are one order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from domain.errors import Unrepresentable
from domain.instrument import Instrument
from domain.order import BUY, Amend, Cancel, ClientId, OrderKind, Place
from exchanges.binance.config import BATCH, CANCELS, MAX_RECV_MS, MS
from exchanges.viaccxt.dialect import Call, Request
from exchanges.viaccxt.orders import Line
from exchanges.viaccxt.session import Session

TIFS = {OrderKind.LIMIT: "GTC", OrderKind.POST_ONLY: "GTX", OrderKind.IOC: "IOC"}
MARK = ":r"
"""Before the number of an amended conditional order; our ids have no colon."""
LONGEST = 36


def side_of(side: int) -> str:
    """The venue's word."""
    return "BUY" if side == BUY else "SELL"


def venue_cid(cid: ClientId, revision: int = 0) -> str:
    """Our id as the venue takes it. Raises `Unrepresentable` for one that it cannot carry."""
    text = f"{cid}{MARK}{revision}" if revision else cid
    if len(text) > LONGEST:
        raise Unrepresentable(f"the client id {text} is longer than Binance's {LONGEST} characters")
    return text


def our_cid(text: str) -> tuple[ClientId, int]:
    """Our id and its revision."""
    cid, mark, revision = text.partition(MARK)
    return (cid, int(revision)) if mark and revision.isdigit() else (text, 0)


def written(session: Session, parts: Sequence[Request]) -> list[Call]:
    """The calls of neighbouring requests, in their order. Raises `Unrepresentable`."""
    calls: list[Call] = []
    for group in _groups(session, parts):
        first = group[0]
        if isinstance(first, Place):
            calls.append(_place(session, [part for part in group if isinstance(part, Place)]))
        elif isinstance(first, Amend):
            calls.append(_amend(session, first))
        else:
            calls.append(_cancel(session, [part for part in group if isinstance(part, Cancel)]))
    return calls


def _groups(session: Session, parts: Sequence[Request]) -> Iterable[list[Request]]:
    """Neighbours that fit into one request."""
    group: list[Request] = []
    for part in parts:
        if group and not _fits(session, group, part):
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def _fits(session: Session, group: list[Request], part: Request) -> bool:
    first = group[0]
    if type(first) is not type(part) or is_trigger(session, part.cid) or is_trigger(session, first.cid):
        return False
    if isinstance(part, Place):
        return len(group) < BATCH
    return isinstance(part, Cancel) and len(group) < CANCELS and part.instrument == first.instrument


def is_trigger(session: Session, cid: ClientId) -> bool:
    """Whether an order lives in the service for conditional ones, as far as we know."""
    line = session.orders.line(cid)
    return line is not None and line.is_trigger


def _window(session: Session, parts: Sequence[Place | Amend]) -> int:
    """How long after its timestamp the venue may take a request (ms)."""
    until_ns = min((part.valid_until_ns for part in parts if part.valid_until_ns), default=0)
    left_ms = (until_ns - session.clock.now_ns()) // MS if until_ns else MAX_RECV_MS
    return max(1, min(MAX_RECV_MS, left_ms))


def _place(session: Session, places: list[Place]) -> Call:
    window = _window(session, places)
    parts: list[Request] = list(places)
    if is_trigger(session, places[0].cid):
        place = places[0]
        terms = _conditional(
            session.instrument(place.instrument), place.side, place.kind, place.qty, place.price, place.trigger
        )
        params = terms | {"clientAlgoId": venue_cid(place.cid), "reduceOnly": _flag(place.reduce_only)}
        return algo_call(parts, params, window)
    orders = [_order(session.instrument(place.instrument), place) for place in places]
    if len(orders) == 1:
        params = {**orders[0], "newOrderRespType": "ACK", "recvWindow": window}
        return Call(
            parts=parts, api="fapiPrivate", method="POST", path="order", params=params, socket="order.place",
            weight=0, orders=1,
        )  # fmt: skip
    return Call(
        parts=parts, api="fapiPrivate", method="POST", path="batchOrders",
        params={"batchOrders": orders, "recvWindow": window}, weight=5, orders=len(orders),
    )  # fmt: skip


def _order(instrument: Instrument, place: Place) -> dict[str, str]:
    order = {
        "symbol": instrument.venue_symbol,
        "side": side_of(place.side),
        "type": "LIMIT",
        "timeInForce": TIFS[place.kind],
        "quantity": instrument.qty_text(place.qty),
        "price": instrument.price_text(place.price),
        "newClientOrderId": venue_cid(place.cid),
        "selfTradePreventionMode": "EXPIRE_TAKER",
    }
    return order | {"reduceOnly": "true"} if place.reduce_only else order


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _conditional(
    instrument: Instrument, side: int, kind: OrderKind, qty: int, price: int, trigger: int
) -> dict[str, Any]:
    """A conditional order's terms. With a worst price it becomes a limit order that takes at once, or not at all."""
    name = "STOP" if kind is OrderKind.STOP else "TAKE_PROFIT"
    order = {
        "algoType": "CONDITIONAL",
        "symbol": instrument.venue_symbol,
        "side": side_of(side),
        "type": name if price else f"{name}_MARKET",
        "quantity": instrument.qty_text(qty),
        "triggerPrice": instrument.price_text(trigger),
        "workingType": "CONTRACT_PRICE",
        "selfTradePreventionMode": "EXPIRE_TAKER",
    }
    return order | {"price": instrument.price_text(price), "timeInForce": "IOC"} if price else order


def algo_call(parts: list[Request], params: dict[str, Any], window: int) -> Call:
    """A call that places a conditional order."""
    return Call(
        parts=parts, api="fapiPrivate", method="POST", path="algoOrder", params={**params, "recvWindow": window},
        socket="algoOrder.place", weight=0, orders=1,
    )  # fmt: skip


def _amend(session: Session, amend: Amend) -> Call:
    instrument, line = session.instrument(amend.instrument), session.orders.line(amend.cid)
    if line is None:
        raise Unrepresentable(f"the order {amend.cid} is not known here")
    window = _window(session, [amend])
    if line.is_trigger:
        return _replace(instrument, line, amend, window)
    params = {
        "symbol": instrument.venue_symbol,
        "side": side_of(line.side),
        "quantity": instrument.qty_text(amend.qty),
        "price": instrument.price_text(amend.price),
        "origClientOrderId": venue_cid(amend.cid),
        "recvWindow": window,
    }
    return Call(
        parts=[amend], api="fapiPrivate", method="PUT", path="order", params=params, socket="order.modify", orders=1
    )


def _replace(instrument: Instrument, line: Line, amend: Amend, window: int) -> Call:
    """The new conditional order of an amended one; when it is there, the old one is cancelled."""
    terms = _conditional(instrument, line.side, line.kind, amend.qty, amend.price, amend.trigger or line.trigger)
    cid = venue_cid(amend.cid, line.revision + 1)
    return algo_call([amend], terms | {"clientAlgoId": cid, "reduceOnly": _flag(line.reduce_only)}, window)


def _cancel(session: Session, cancels: list[Cancel]) -> Call:
    symbol = session.instrument(cancels[0].instrument).venue_symbol
    if len(cancels) == 1:
        line = session.orders.line(cancels[0].cid)
        if line is not None and line.is_trigger:
            return cancel_algo(cancels[0], line.revision)
        params = {"symbol": symbol, "origClientOrderId": venue_cid(cancels[0].cid)}
        return Call(
            parts=[cancels[0]], api="fapiPrivate", method="DELETE", path="order", params=params, socket="order.cancel"
        )
    many: dict[str, Any] = {"symbol": symbol, "origClientOrderIdList": [venue_cid(cancel.cid) for cancel in cancels]}
    return Call(parts=list(cancels), api="fapiPrivate", method="DELETE", path="batchOrders", params=many)


def cancel_algo(cancel: Cancel, revision: int = 0) -> Call:
    """A call that cancels a conditional order."""
    params = {"clientAlgoId": venue_cid(cancel.cid, revision)}
    return Call(
        parts=[cancel], api="fapiPrivate", method="DELETE", path="algoOrder", params=params, socket="algoOrder.cancel"
    )
