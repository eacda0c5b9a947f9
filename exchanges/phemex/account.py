"""One account at Phemex: what is checked and set at the start, and the read path.

A snapshot is stamped with the venue's clock, or with the newest change of a position if that is later: positions are
asked for first, so what else it tells may be newer than the stamp, never older.

Two of its limits matter here: 500 requests a minute for orders, open orders and positions, 100 for everything of the
past. So funding, which is asked symbol by symbol, is only asked for when some may have been paid.
"""

from __future__ import annotations

import asyncio
import itertools
from decimal import Decimal
from typing import Any

from domain.errors import ConfigError, DataError
from domain.events import Filled, FundingPaid, OpenOrder, OrderReport, VenuePosition, VenueSnapshot
from domain.instrument import Instrument
from domain.order import BUY, SELL, Liquidity, OrderKind, OrderStatus, Query
from domain.views import KeyView
from exchanges.phemex.config import MS, QUOTE, S
from exchanges.phemex.markets import Products, listed
from exchanges.phemex.requests import venue_cid
from exchanges.phemex.wire import (
    NO_ORDERS,
    AccountPositions,
    Time,
    WireFunding,
    WireOrder,
    WirePast,
    WirePosition,
    WireTrade,
    envelope,
    rows_of,
    told,
)
from exchanges.shared.keys import vouched
from exchanges.shared.meters import Costs, Priority
from exchanges.viaccxt.dialect import Answer
from exchanges.viaccxt.session import Session

PAGE = 200
OPEN_ORDERS = "g-orders/activeList"
OLDEST_NS = 89 * 86_400 * S
"""The venue tells of fills of the last 90 days."""
HOUR_NS = 3_600 * S
LATE_NS = 300 * S
"""How long after the hour a payment of funding may still appear."""
STATUSES = {
    "Created": OrderStatus.OPEN,
    "Init": OrderStatus.OPEN,
    "New": OrderStatus.OPEN,
    "PartiallyFilled": OrderStatus.OPEN,
    "Untriggered": OrderStatus.OPEN,
    "Triggered": OrderStatus.OPEN,
    "Filled": OrderStatus.FILLED,
    "Canceled": OrderStatus.CANCELLED,
    "Deactivated": OrderStatus.CANCELLED,
    "Suspended": OrderStatus.CANCELLED,
    "Rejected": OrderStatus.REJECTED,
}
SIDES = {"Buy": BUY, "Sell": SELL}
KINDS = {"PostOnly": OrderKind.POST_ONLY, "ImmediateOrCancel": OrderKind.IOC}
TRIGGERED = {
    "Stop": OrderKind.STOP,
    "StopLimit": OrderKind.STOP,
    "MarketIfTouched": OrderKind.TAKE_PROFIT,
    "LimitIfTouched": OrderKind.TAKE_PROFIT,
}
LIQUIDATIONS = frozenset({"LiqTrade", "AdlTrade"})
BAD_KEY = frozenset({401, 403, 10_500})


def side_of(word: str) -> int:
    """A side. Raises `DataError` for a word that is none."""
    side = SIDES.get(word)
    if side is None:
        raise DataError(f"Phemex sent the side {word!r:.40}, expected Buy or Sell")
    return side


def our_cid(cid: str, order_id: str) -> str:
    """Our id of an order; of one that was placed without (at the website) the venue's."""
    return cid or order_id


class Account:
    """Asks about one account, and prepares it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.traded = [instrument.venue_symbol for instrument in session.by_id.values()]
        self._positions: list[WirePosition] = []
        """As `check` has found them."""
        self._funded_ns: dict[str, int] = {}
        """When the funding of a symbol was last read."""
        self._turns: dict[str, asyncio.Lock] = {}
        self._ticks = itertools.count(1)
        self._lists: dict[str, tuple[int, list[WireOrder]]] = {}
        """By symbol: when the open orders were last asked for for a question, and what there was."""

    async def _ask(self, path: str, *, method: str = "GET", past: bool = False, **params: Any) -> Answer:  # noqa: ANN401
        client = self._session.client
        return await client.ask(method, "private", path, params, weight=int(past), orders=int(not past))

    async def now_ns(self) -> int:
        """The venue's clock. Raises `VenueError`."""
        answer = await self._session.client.ask("GET", "v2", "public/time", {}, weight=0)
        return told(answer, Time, "public/time").ms * MS

    # the start

    async def check(self) -> KeyView:
        """Refuse what is not safe to trade with. Raises `ConfigError`, `VenueError`."""
        session = self._session
        session.check_clock("Phemex", await self.now_ns())
        await self._check_contracts()
        self._positions = await self._check_key()
        return vouched(session.account, "Phemex")

    async def prepare(self) -> None:
        """Set the terms. Raises `ConfigError`, `VenueError`."""
        for symbol in self.traded:
            await self._set_terms(symbol, [position for position in self._positions if position.symbol == symbol])

    async def _check_contracts(self) -> None:
        """The settings must count as the venue does; other contracts are known so that nothing of them is missed."""
        session = self._session
        answer = await session.client.ask("GET", "v2", "public/products", {}, weight=0)
        contracts = list(listed(told(answer, Products, "public/products")))
        missing = sorted({*self.traded} - {found.venue_symbol for found in contracts})
        if missing:
            raise ConfigError(f"Phemex does not list {', '.join(missing)}; remove it or correct its venue symbol")
        for found in contracts:
            ours = session.by_symbol.setdefault(found.venue_symbol, found)
            same = ("price_decimals", "qty_decimals", "tick", "lot")
            wrong = [name for name in same if getattr(ours, name) != getattr(found, name)]
            if wrong:
                said = ", ".join(f"{name} {getattr(found, name)}" for name in wrong)
                raise ConfigError(f"{ours.id}: Phemex has {said}, the settings differ; correct them")
            session.by_id.setdefault(found.id, found)

    async def _check_key(self) -> list[WirePosition]:
        """The account's positions, when the key is good and the mode one-way."""
        name = self._session.account.id
        answer = await self._ask("g-accounts/accountPositions", currency=QUOTE)
        if answer.status in {401, 403} or (answer.status == 200 and envelope(answer).code in BAD_KEY):
            raise ConfigError(
                f"Phemex refuses the key of {name}: {envelope(answer).msg} Check the key and its secret, that it is "
                "of this network, has not expired, and that this machine's address is on its list"
            )
        positions = told(answer, AccountPositions, "g-accounts/accountPositions").positions
        hedged = sorted({p.symbol for p in positions if p.mode == "Hedged" and p.symbol in self.traded})
        if hedged:
            raise ConfigError(
                f"{name} is in hedge mode for {', '.join(hedged)}; close what is open there and switch to one-way mode "
                "(Phemex, Contract, Preferences, Position Mode)"
            )
        return positions

    async def _set_terms(self, symbol: str, positions: list[WirePosition]) -> None:
        """Margin mode and leverage as configured; both are in one number, which is negative for cross margin."""
        terms = self._session.terms.get(self._session.by_symbol[symbol].id)
        if terms is None:
            return
        present = Decimal(positions[0].leverage) if positions else Decimal(0)
        size = Decimal(terms.leverage) or abs(present)
        wanted = size if terms.margin == "isolated" else -size
        if terms.margin == "isolated" and not size:
            raise ConfigError(f"{symbol}: Phemex takes isolated margin only with a leverage; set one")
        if wanted == present:
            return
        answer = await self._ask("g-positions/leverage", method="PUT", symbol=symbol, leverageRr=f"{wanted:f}")
        found = envelope(answer) if answer.status == 200 else None
        if found is None or found.code:
            said = f"{found.code} {found.msg}" if found is not None else f"HTTP {answer.status}"
            raise ConfigError(
                f"Phemex does not set {symbol} to {terms.margin} margin with leverage {size:f}: {said}. Change the "
                "setting, or close what is open there"
            )

    # questions

    async def report(self, query: Query) -> OrderReport:
        """What the venue knows of an order, as of a moment before the answer. Raises `VenueError`, `DataError`."""
        asked_ns = await self.now_ns()
        instrument = self._session.instrument(query.instrument)
        cid = venue_cid(query.cid)
        orders = await self._shared_open(instrument.venue_symbol)
        found: WireOrder | WirePast | None = next((each for each in orders if cid in {each.cid, each.id}), None)
        if found is None:
            found = await self._past(instrument, cid)
        if found is None:
            return OrderReport(cid=query.cid, found=False, venue_ts_ns=asked_ns)
        return OrderReport(
            cid=query.cid,
            found=True,
            status=STATUSES.get(found.status, OrderStatus.UNKNOWN),
            filled=instrument.qty(found.filled),
            price=instrument.price(found.price),
            qty=instrument.qty(found.qty),
            venue_id=found.id,
            venue_ts_ns=max(asked_ns, found.changed_ns),
        )

    async def _past(self, instrument: Instrument, cid: str) -> WirePast | None:
        """An order that is not open any more, by the venue's id where we know it."""
        line = self._session.orders.line(cid)
        by = {"orderID": line.venue_id} if line is not None and line.venue_id else {"clOrdID": cid}
        path = "api-data/g-futures/orders/by-order-id"
        orders = rows_of(await self._ask(path, past=True, symbol=instrument.venue_symbol, **by), WirePast, path)
        return next((order for order in orders if cid in {order.cid, order.id}), None)

    async def _shared_open(self, symbol: str) -> list[WireOrder]:
        """Open orders as of now or later: one list serves all who came before it was asked for."""
        came = next(self._ticks)
        async with self._turns.setdefault(symbol, asyncio.Lock()):
            sent, orders = self._lists.get(symbol, (0, []))
            if sent < came:
                costs = await self._session.client.enter(OPEN_ORDERS, 0, 1, Priority.READ)
                sent = next(self._ticks)
                orders = await self._open(symbol, costs)
                self._lists[symbol] = sent, orders
            return orders

    async def _open(self, symbol: str, costs: Costs | None = None) -> list[WireOrder]:
        """Open orders; none is an error to the venue."""
        client = self._session.client
        answer = await client.ask("GET", "private", OPEN_ORDERS, {"symbol": symbol}, weight=0, orders=1, costs=costs)
        if answer.status == 200 and envelope(answer).code == NO_ORDERS:
            return []
        return rows_of(answer, WireOrder, OPEN_ORDERS)

    async def snapshot(self, from_ns: int) -> VenueSnapshot:
        """Orders, positions, cash, fills and funding. Raises `VenueError`, `DataError`, `Unrepresentable`."""
        now_ns = await self.now_ns()
        session = self._session
        answer = await self._ask("g-accounts/accountPositions", currency=QUOTE)
        account = told(answer, AccountPositions, "g-accounts/accountPositions")
        held = [p for p in account.positions if p.symbol in session.by_symbol and Decimal(p.qty)]
        symbols = sorted({*self.traded, *(position.symbol for position in held)})
        orders = [self._open_order(order) for symbol in symbols for order in await self._open(symbol)]
        fills = await self._fills(max(from_ns, now_ns - OLDEST_NS))
        funding = [paid for symbol in symbols for paid in await self._funding(symbol, now_ns)]
        return VenueSnapshot(
            venue_ts_ns=max(now_ns, *(position.changed_ns for position in account.positions), 0),
            account=session.account.id,
            cash=Decimal(account.account.cash),
            orders=tuple(orders),
            positions=tuple(self._position(position) for position in held),
            fills=tuple(fills),
            funding=tuple(paid for paid in funding if paid.venue_ts_ns >= from_ns),
        )

    def _open_order(self, order: WireOrder) -> OpenOrder:
        instrument = self._session.by_symbol[order.symbol]
        kind = TRIGGERED.get(order.type, KINDS.get(order.tif or "", OrderKind.LIMIT))
        has_price = order.type in {"Limit", "StopLimit", "LimitIfTouched"}
        return OpenOrder(
            cid=our_cid(order.cid, order.id),
            instrument=instrument.id,
            side=side_of(order.side),
            kind=kind,
            price=instrument.price(order.price) if has_price else 0,
            trigger=instrument.price(order.trigger),
            qty=instrument.qty(order.qty),
            filled=instrument.qty(order.filled),
            reduce_only=order.reduce_only or order.instruction in {"ReduceOnly", "CloseOnTrigger"},
            venue_id=order.id,
        )

    def _position(self, position: WirePosition) -> VenuePosition:
        instrument, side = self._session.by_symbol[position.symbol], side_of(position.side)
        return VenuePosition(
            instrument=instrument.id,
            qty=side * instrument.qty(position.qty),
            entry_value=side * Decimal(position.value),
        )

    async def _fills(self, from_ns: int) -> list[Filled]:
        """Fills of all contracts from then on, oldest first, page by page."""
        found: dict[str, Filled] = {}
        path, offset = "api-data/g-futures/trades", 0
        while True:
            params = {"currency": QUOTE, "start": str(max(0, from_ns // MS)), "offset": str(offset), "limit": str(PAGE)}
            page = rows_of(await self._ask(path, past=True, **params), WireTrade, path)
            for trade in page:
                if (instrument := self._session.by_symbol.get(trade.symbol)) is not None and trade.kind != "Funding":
                    found[trade.id] = self._fill(instrument, trade)
            if len(page) < PAGE:
                return sorted(found.values(), key=lambda fill: fill.venue_ts_ns)
            offset += PAGE

    def _fill(self, instrument: Instrument, trade: WireTrade) -> Filled:
        return Filled(
            venue_ts_ns=trade.time_ns,
            account=self._session.account.id,
            instrument=instrument.id,
            cid=our_cid(trade.cid, trade.order_id),
            fill_id=trade.id,
            side=side_of(trade.side),
            price=instrument.price(trade.price),
            qty=instrument.qty(trade.qty),
            fee=Decimal(trade.fee),
            liquidity=Liquidity.MAKER if trade.execution == "MakerFill" else Liquidity.TAKER,
            liquidation=trade.kind in LIQUIDATIONS,
        )

    def funding_is_due(self, symbol: str) -> None:
        """A payment was made: it is asked for with the next snapshot."""
        self._funded_ns.pop(symbol, None)

    async def _funding(self, symbol: str, now_ns: int) -> list[FundingPaid]:
        """The newest payments; none is asked for when there can be no new one."""
        read_ns = self._funded_ns.get(symbol, 0)
        if (read_ns - LATE_NS) // HOUR_NS == (now_ns - LATE_NS) // HOUR_NS and now_ns % HOUR_NS > LATE_NS:
            return []
        path = "api-data/g-futures/funding-fees"
        answer = await self._ask(path, past=True, symbol=symbol, offset="0", limit=str(PAGE))
        paid = [self._paid(each) for each in rows_of(answer, WireFunding, path)]
        self._funded_ns[symbol] = now_ns
        return paid

    def _paid(self, funding: WireFunding) -> FundingPaid:
        return FundingPaid(
            venue_ts_ns=funding.time_ms * MS,
            account=self._session.account.id,
            instrument=self._session.by_symbol[funding.symbol].id,
            funding_id=f"{funding.symbol}:{funding.time_ms * MS // HOUR_NS}",
            amount=-Decimal(funding.fee),
        )
