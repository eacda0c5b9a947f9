"""The local indexer's words: what a room knows, as REST and the WebSocket tell it."""

import base64
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from domain.instrument import ZERO
from domain.order import OrderKind
from exchanges.dydx.chain import POST_ONLY, SHORT_TERM
from tests.exchanges.dydx.chain_facts import ADDRESS, MARKETS
from tests.exchanges.dydx.holders import Holder
from tests.exchanges.dydx.node_room import Room
from tests.exchanges.dydx.records import Rec

TYPES = {OrderKind.STOP: "STOP_LIMIT", OrderKind.TAKE_PROFIT: "TAKE_PROFIT"}
TIMES_IN_FORCE = {0: "GTT", 1: "IOC", 2: "GTT"}


def iso(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def order_of(rec: Rec, room: Room) -> dict[str, Any]:
    """As REST tells it; the WebSocket's has the same fields."""
    instrument, wire, is_short = rec.market.instrument, rec.wire, rec.key.flags == SHORT_TERM
    until = {"goodTilBlockTime": iso(wire.good_til_block_time * 10**9)}
    if is_short:
        until = {"goodTilBlock": str(wire.good_til_block)}
    return {
        "id": rec.id,
        "subaccountId": "db535c19-b298-5ee8-bb59-e96c659a8bd4",
        "clientId": str(rec.key.client_id),
        "clobPairId": str(rec.key.pair),
        "side": "BUY" if rec.place.side > 0 else "SELL",
        "size": instrument.qty_text(rec.place.qty),
        "totalFilled": instrument.qty_text(rec.filled),
        "price": instrument.price_text(rec.place.price),
        "type": TYPES.get(rec.place.kind, "LIMIT"),
        "status": rec.status,
        "timeInForce": TIMES_IN_FORCE[wire.time_in_force],
        "reduceOnly": rec.place.reduce_only,
        "orderFlags": str(rec.key.flags),
        "createdAtHeight": str(rec.made_height),
        "clientMetadata": str(wire.client_metadata),
        "triggerPrice": instrument.price_text(rec.place.trigger) if rec.place.trigger else None,
        "updatedAt": iso(room.time_ns),
        "updatedAtHeight": str(room.height),
        "postOnly": wire.time_in_force == POST_ONLY,
        "ticker": rec.market.ticker,
        "subaccountNumber": rec.key.subaccount,
        **until,
    }


def update_of(rec: Rec, room: Room) -> dict[str, Any]:
    """The WebSocket's: with the reason of a removal, and without what is not known yet."""
    told = order_of(rec, room)
    if rec.status == "BEST_EFFORT_OPENED":
        del told["totalFilled"], told["updatedAt"], told["updatedAtHeight"]
    return told | ({"removalReason": rec.removal} if rec.removal else {})


def fill_of(fill: dict[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in fill.items() if name not in {"createdAtNs", "account"}}
    return told | {"createdAt": iso(fill["createdAtNs"]), "ticker": fill["market"], "subaccountNumber": 0}


def position_of(room: Room, held: Any) -> dict[str, Any]:
    found = next(m for m in room.markets.values() if m.instrument.id == held.instrument)
    instrument = found.instrument
    size = Decimal(instrument.qty_text(held.qty))
    value = instrument.notional(room.exchange.floor.mark(held.instrument), held.qty)
    return {
        "market": found.ticker,
        "status": "OPEN",
        "side": "LONG" if held.qty > 0 else "SHORT",
        "size": f"{size}",
        "maxSize": f"{size}",
        "entryPrice": f"{held.entry_value / size:f}",
        "exitPrice": None,
        "realizedPnl": "0",
        "unrealizedPnl": f"{value - held.entry_value:f}",
        "createdAt": iso(room.time_ns),
        "createdAtHeight": str(room.height),
        "closedAt": None,
        "sumOpen": f"{abs(size)}",
        "sumClose": "0",
        "netFunding": "0",
        "subaccountNumber": 0,
    }


def assets_of(room: Room) -> dict[str, Any]:
    """USDC is what remains after positions were paid for in full."""
    paid = sum((held.entry_value for held in room.committed.positions), ZERO)
    size = room.committed.cash - paid
    side = "LONG" if size >= 0 else "SHORT"
    return {"USDC": {"size": f"{abs(size):f}", "symbol": "USDC", "side": side, "assetId": "0", "subaccountNumber": 0}}


def positions_of(room: Room) -> list[dict[str, Any]]:
    return [position_of(room, held) for held in room.committed.positions]


def subaccount_of(room: Room) -> dict[str, Any]:
    positions = positions_of(room)
    return {
        "address": ADDRESS,
        "subaccountNumber": 0,
        "equity": f"{room.equity():f}",
        "freeCollateral": f"{room.equity():f}",
        "openPerpetualPositions": {position["market"]: position for position in positions},
        "assetPositions": assets_of(room),
        "marginEnabled": True,
        "updatedAtHeight": str(room.height),
        "latestProcessedBlockHeight": str(room.height),
    }


def markets_of(room: Room) -> dict[str, Any]:
    found = {}
    for wire in MARKETS:
        instrument = room.markets[int(wire["clobPairId"])].instrument
        price = room.exchange.floor.mark(instrument.id)
        found[wire["ticker"]] = wire | {"oraclePrice": instrument.price_text(price)}
    return found


def wanted_orders(room: Room, query: Any) -> list[dict[str, Any]]:
    """GET /orders: newest first."""
    found = [rec for rec in room.recs.values() if f"{rec.key.address}/{rec.key.subaccount}" == where(query)]
    if "status" in query:
        statuses = set(query["status"].split(","))
        found = [rec for rec in found if rec.status in statuses]
    if "ticker" in query:
        found = [rec for rec in found if rec.market.ticker == query["ticker"]]
    return [order_of(rec, room) for rec in reversed(found)][: int(query.get("limit", 1_000))]


def where(query: Any) -> str:
    return f"{query['address']}/{query['subaccountNumber']}"


def wanted_fills(room: Room, query: Any) -> list[dict[str, Any]]:
    """GET /fills: newest first."""
    before = query.get("createdBeforeOrAt")
    mine = [fill_of(fill) for fill in reversed(room.fills) if fill["account"] == where(query)]
    mine = [fill for fill in mine if before is None or fill["createdAt"] <= before]
    if "market" in query:
        mine = [fill for fill in mine if fill["market"] == query["market"]]
    return mine[: int(query.get("limit", 100))]


def wanted_payments(room: Room, query: Any) -> list[dict[str, Any]]:
    """GET /fundingPayments: newest first, page by page."""
    limit, page = int(query.get("limit", 100)), int(query.get("page", 1))
    told = [payment_of(payment, room) for payment in reversed(room.payments)]
    told = [payment for payment in told if payment["createdAt"] >= query.get("afterOrAt", "")]
    return told[limit * (page - 1) : limit * page]


def payment_of(payment: dict[str, Any], room: Room) -> dict[str, Any]:
    at = iso(payment["createdAtNs"])
    named = {"ticker": payment["ticker"], "payment": payment["payment"], "oraclePrice": "0", "size": "0"}
    return named | {"createdAt": at, "createdAtHeight": str(room.height), "rate": "0", "side": "LONG"}


def authenticators_of(holder: Holder | None) -> list[dict[str, str]]:
    """As the node's REST tells them: numbers are texts, bytes are base64."""
    known = holder.authenticators if holder is not None else {}
    return [
        {"id": str(number), "type": kind, "config": base64.b64encode(config).decode()}
        for number, (kind, config) in known.items()
    ]


def height_of(room: Room) -> dict[str, Any]:
    return {"height": str(room.height), "time": iso(room.time_ns)}


def time_of(room: Room) -> dict[str, Any]:
    now_ns = time.time_ns() + room.skew_ns
    return {"iso": iso(now_ns), "epoch": now_ns / 1e9}
