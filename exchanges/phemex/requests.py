"""Intents as requests. Phemex has neither batches nor orders over its WebSocket: each is a REST request of its own.

A stop or take-profit is `Stop` or `MarketIfTouched`; with a worst price it is `StopLimit` or `LimitIfTouched` that
takes at once or not at all. All wait for the mark price.
"""

from __future__ import annotations

from typing import Any

from domain.errors import Unrepresentable
from domain.instrument import Instrument
from domain.order import BUY, Amend, Cancel, ClientId, OrderKind, Place
from exchanges.phemex.config import EXPIRY, ONE_WAY, S
from exchanges.viaccxt.dialect import Call, Request
from exchanges.viaccxt.session import Session

TIFS = {OrderKind.LIMIT: "GoodTillCancel", OrderKind.POST_ONLY: "PostOnly", OrderKind.IOC: "ImmediateOrCancel"}
TRIGGERS = {
    OrderKind.STOP: ("Stop", "StopLimit"),
    OrderKind.TAKE_PROFIT: ("MarketIfTouched", "LimitIfTouched"),
}
"""Order types by kind: without and with a worst price."""
LONGEST_ID = 40


def venue_cid(cid: ClientId) -> str:
    """Our id as the venue takes it. Raises `Unrepresentable` for one that it cannot carry."""
    if len(cid) > LONGEST_ID:
        raise Unrepresentable(f"the client id {cid} is longer than Phemex's {LONGEST_ID} characters")
    return cid


def written(session: Session, part: Request) -> Call:
    """The call of one request. Raises `Unrepresentable`."""
    instrument = session.instrument(part.instrument)
    common = {"symbol": instrument.venue_symbol, "posSide": ONE_WAY}
    if isinstance(part, Place):
        method, path, params = "POST", "g-orders", _order(instrument, part) | _until(session, part)
    elif isinstance(part, Amend):
        method, path, params = "PUT", "g-orders/replace", _changes(session, instrument, part) | _until(session, part)
    else:
        method, path, params = "DELETE", "g-orders/cancel", _named(session, part, "clOrdID")
    return Call(parts=[part], api="private", method=method, path=path, params=common | params, weight=0, orders=1)


def _until(session: Session, part: Place | Amend) -> dict[str, Any]:
    """When the venue shall not take it any more. It counts in whole seconds, so the window closes early, never late."""
    if not part.valid_until_ns:
        return {}
    if part.valid_until_ns // S <= session.clock.now_ns() // S:
        raise Unrepresentable("its time is up within a second, which Phemex cannot say")
    return {EXPIRY: part.valid_until_ns // S}


def _order(instrument: Instrument, place: Place) -> dict[str, Any]:
    order: dict[str, Any] = {
        "clOrdID": venue_cid(place.cid),
        "side": "Buy" if place.side == BUY else "Sell",
        "ordType": "Limit",
        "orderQtyRq": instrument.qty_text(place.qty),
        "timeInForce": TIFS.get(place.kind, "ImmediateOrCancel"),
        "reduceOnly": place.reduce_only,
    }
    if place.kind in TRIGGERS:
        without, with_price = TRIGGERS[place.kind]
        order["ordType"] = with_price if place.price else without
        order |= {"stopPxRp": instrument.price_text(place.trigger), "triggerType": "ByMarkPrice"}
    return order | {"priceRp": instrument.price_text(place.price)} if place.price else order


def _changes(session: Session, instrument: Instrument, amend: Amend) -> dict[str, Any]:
    changes = _named(session, amend, "origClOrdID") | {"orderQtyRq": instrument.qty_text(amend.qty)}
    line = session.orders.line(amend.cid)
    if amend.price:
        changes["priceRp"] = instrument.price_text(amend.price)
    trigger = amend.trigger or (line.trigger if line is not None else 0)
    return changes | {"stopPxRp": instrument.price_text(trigger)} if trigger else changes


def _named(session: Session, part: Amend | Cancel, by: str) -> dict[str, Any]:
    """The order by the venue's id where we know it, else by ours, in the parameter `by`."""
    line = session.orders.line(part.cid)
    if line is not None and line.venue_id:
        return {"orderID": line.venue_id}
    return {by: venue_cid(part.cid)}
