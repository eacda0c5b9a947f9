"""What an account is by the indexer's word: the read path, over REST, separate from the order path.

A snapshot is stamped with the time of the newest block that the indexer knew when it was asked first. What is asked
afterwards may be newer, never older, so nothing that the engine knew before the stamp can be missing for being fresh.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

from domain.errors import DataError, Unrepresentable, VenueError
from domain.events import Filled, FundingPaid, OpenOrder, OrderReport, VenuePosition, VenueSnapshot
from domain.instrument import ZERO
from domain.order import Query
from exchanges.dydx.config import DydxAccount
from exchanges.dydx.http import Reader
from exchanges.dydx.orders import OPEN_STATUSES, SIDES, Line, Orders, any_price, kind_of, status_of
from exchanges.dydx.wire import (
    WireFill,
    WireFills,
    WireHeight,
    WireOrder,
    WirePayment,
    WirePayments,
    WireSubaccount,
    WireSubaccountAnswer,
    ns_of,
)

BEHIND_S = 0.5
"""When the indexer's REST is behind its stream, it is asked again after so long."""
PAGE = 100
"""Fills and payments that are asked for at once."""
OVERLAP_NS = 60_000_000_000
"""How far back a snapshot repeats what the last one told: what the venue's readers learn late is not lost."""
FIRST_LOOK_NS = 86_400_000_000_000
"""How far back the first snapshot looks for what open orders have filled before."""


class AccountReader:
    """Asks about one subaccount. `since_ns` as in `DydxAccount`, never 0."""

    def __init__(self, reader: Reader, account: DydxAccount, orders: Orders, since_ns: int) -> None:
        self.account = account
        self.since_ns = since_ns
        self._reader = reader
        self._orders = orders
        self.equity = ZERO
        """What the account was worth when it was read last."""
        self._told_ns = 0
        self._where: dict[str, str | int] = {"address": account.address, "subaccountNumber": account.subaccount}

    async def height(self) -> tuple[int, int]:
        """The newest block that the indexer knows, and its time. Raises `VenueError`, `DataError`."""
        found = await self._reader.indexer("height", WireHeight)
        return int(found.height), ns_of(found.time)

    async def state(self) -> WireSubaccount:
        """Cash and positions. Raises `VenueError`, `DataError`."""
        path = f"addresses/{self.account.address}/subaccountNumber/{self.account.subaccount}"
        state = (await self._reader.indexer(path, WireSubaccountAnswer)).subaccount
        self.equity = _money(state.equity)
        return state

    async def report(self, query: Query) -> OrderReport | None:
        """What the venue knows of an order; None while a block may still bring one that it does not know."""
        height, asked_ns = await self.height()
        entry = self._orders.ids.of(query.cid)
        order = None
        if entry is not None:
            order = await self._reader.indexer_or_none(f"orders/{entry.key.uuid}", WireOrder)
        if order is None or self._orders.ids.owner(order.id, order.client_metadata) != query.cid:
            if self._orders.may_still_come(query.cid, height):
                return None
            return OrderReport(cid=query.cid, found=False, venue_ts_ns=asked_ns)
        told = self._open_order(order)
        return OrderReport(
            cid=query.cid,
            found=True,
            status=status_of(order, height),
            filled=told.filled,
            price=told.price,
            qty=told.qty,
            venue_id=order.id,
            venue_ts_ns=asked_ns,
        )

    async def filled(self, line: Line) -> int:
        """What has filled of a short-term order whose block has passed. Raises `VenueError`, `DataError`."""
        while (await self.height())[0] <= line.good_til:  # noqa: ASYNC110 - nobody tells when it has caught up
            await asyncio.sleep(BEHIND_S)
        order = await self._reader.indexer_or_none(f"orders/{line.key.uuid}", WireOrder)
        return 0 if order is None else line.market.instrument.qty(order.total_filled or "0")

    async def snapshot(self) -> VenueSnapshot:
        """Everything of the account, with fills and funding since a little before the last one. Raises `VenueError`."""
        try:
            _, now_ns = await self.height()
            state = await self.state()
            orders = await self._reader.indexer("orders", list[WireOrder], **self._where, status=OPEN_STATUSES)
            from_ns = self._told_ns - OVERLAP_NS if self._told_ns else min(self.since_ns, now_ns - FIRST_LOOK_NS)
            fills = await self._fills(from_ns)
            positions = tuple(self._positions(state))
            snapshot = VenueSnapshot(
                venue_ts_ns=now_ns,
                account=self.account.id,
                cash=_cash(state) + sum((position.entry_value for position in positions), ZERO),
                orders=tuple(self._open_order(order) for order in orders),
                positions=positions,
                fills=tuple(fills),
                funding=tuple(await self._funding(max(from_ns, self.since_ns))),
            )
        except (DataError, Unrepresentable, ArithmeticError, ValueError) as error:
            raise VenueError(f"the account {self.account.id} is not understood: {error}") from error
        self._orders.only_open(self.account.id, {order.id for order in orders if order.order_flags != "0"})
        self._told_ns = now_ns
        return snapshot

    async def _fills(self, from_ns: int) -> list[Filled]:
        """Fills from then on, page by page, newest first; those before `since_ns` are counted, and not told."""
        found: dict[str, Filled] = {}
        before: dict[str, str | int] = {}
        while True:
            page = (await self._reader.indexer("fills", WireFills, **self._where, limit=PAGE, **before)).fills
            new = [fill for fill in page if fill.id not in found and ns_of(fill.created_at) >= from_ns]
            for fill in new:
                found[fill.id] = self._orders.fill(self.account.id, fill)
            if len(page) < PAGE or not new:
                told = [event for event in found.values() if event.venue_ts_ns >= self.since_ns]
                return sorted(told, key=lambda event: event.venue_ts_ns)
            before = {"createdBeforeOrAt": _iso(_oldest(page))}

    async def _funding(self, from_ns: int) -> list[FundingPaid]:
        found: dict[str, FundingPaid] = {}
        page_number = 1
        after = _iso(datetime.fromtimestamp(from_ns // 10**9, UTC))
        while True:
            question = {**self._where, "limit": PAGE, "afterOrAt": after, "page": page_number}
            page = (await self._reader.indexer("fundingPayments", WirePayments, **question)).funding_payments
            for payment in page:
                event = self._payment(payment)
                if event.venue_ts_ns >= from_ns:
                    found[event.funding_id] = event
            if len(page) < PAGE:
                return list(found.values())
            page_number += 1

    def _payment(self, payment: WirePayment) -> FundingPaid:
        paid_ns = ns_of(payment.created_at)
        return FundingPaid(
            venue_ts_ns=paid_ns,
            account=self.account.id,
            instrument=self._orders.market(payment.ticker).instrument.id,
            funding_id=f"{payment.ticker}:{paid_ns // 1_000_000}",
            amount=_money(payment.payment),
        )

    def _open_order(self, order: WireOrder) -> OpenOrder:
        market = self._orders.market(order.clob_pair_id)
        instrument, side = market.instrument, SIDES.get(order.side)
        if side is None:
            raise DataError(f"{market.ticker}: an order's side is {order.side!r:.40}, expected BUY or SELL")
        price = instrument.price(order.price)
        trigger = instrument.price(order.trigger_price) if order.trigger_price else 0
        if trigger and price == any_price(market, trigger, side):
            price = 0
        return OpenOrder(
            cid=self._orders.ids.owner(order.id, order.client_metadata),
            instrument=instrument.id,
            side=side,
            kind=kind_of(order),
            price=price,
            trigger=trigger,
            qty=instrument.qty(order.size),
            filled=instrument.qty(order.total_filled or "0"),
            reduce_only=order.reduce_only,
            venue_id=order.id,
        )

    def _positions(self, state: WireSubaccount) -> list[VenuePosition]:
        found = []
        for held in state.open_perpetual_positions.values():
            instrument = self._orders.market(held.market).instrument
            size = _money(held.size)
            qty = instrument.qty(size)
            if qty:
                value = (size * _money(held.entry_price) * instrument.multiplier).normalize()
                found.append(VenuePosition(instrument=instrument.id, qty=qty, entry_value=value))
        return found


def _oldest(page: list[WireFill]) -> datetime:
    return min(fill.created_at for fill in page)


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _money(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except ArithmeticError as error:
        raise DataError(f"dYdX sent {text!r:.40} where money belongs") from error
    if not value.is_finite():
        raise DataError(f"dYdX sent {text!r:.40} where money belongs")
    return value


def _cash(state: WireSubaccount) -> Decimal:
    """What is left after positions were paid for in full; negative when it is owed."""
    held = state.asset_positions.get("USDC")
    if held is None:
        return ZERO
    return -abs(_money(held.size)) if held.side == "SHORT" else _money(held.size)
