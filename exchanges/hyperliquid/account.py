"""What an account is by the venue's word: the read path, over POST /info, separate from the order path.

A snapshot is stamped with the time of the account's state, which is asked for first. What is asked afterwards may be
newer, never older, so nothing that the engine knew before the stamp can be missing for being too fresh.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from domain.errors import DataError, Unrepresentable, VenueError
from domain.events import Filled, FundingPaid, OpenOrder, OrderReport, VenuePosition, VenueSnapshot
from domain.instrument import ZERO, AccountId, Instrument
from domain.order import Query
from exchanges.hyperliquid.actions import cloid_of
from exchanges.hyperliquid.config import HyperliquidAccount
from exchanges.hyperliquid.info import InfoClient
from exchanges.hyperliquid.limits import WireRateLimit
from exchanges.hyperliquid.orders import Orders, status_of
from exchanges.hyperliquid.private import (
    WireAccount,
    WireAgent,
    WireAssetData,
    WireFill,
    WireFunding,
    WireLedgerFunding,
    WireLeverage,
    WireOrder,
    WireOrderStatus,
    WireRole,
)
from exchanges.hyperliquid.wire import MS
from exchanges.shared.payloads import Payloads

PAGE = 2_000
"""The venue tells this many fills at once, and fewer payments of funding."""
FUNDING_PAGE = 500
OVERLAP_NS = 60_000_000_000
"""How far back a snapshot repeats what the last one told: what the venue's readers learn late is not lost."""
FIRST_LOOK_NS = 86_400_000_000_000
"""How far back the first snapshot looks for what open orders have filled under earlier oids."""
_T = TypeVar("_T")


def decoded(body: bytes, kind: type[_T], what: str) -> _T:
    """An answer of POST /info. Raises `VenueError` when it is not understood."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise VenueError(f"Hyperliquid's {what} is not understood: {error}") from error


def funding_of(account: AccountId, orders: Orders, funding: WireFunding) -> FundingPaid | None:
    """A payment as an event; None for what is not a perpetual. Raises `DataError`."""
    instrument = orders.instruments.get(funding.coin)
    if instrument is None:
        return None
    return FundingPaid(
        venue_ts_ns=funding.time * MS,
        account=account,
        instrument=instrument.id,
        funding_id=f"{funding.coin}:{funding.time}",
        amount=_money(funding.usdc),
    )


class AccountReader:
    """Asks about one account. `since_ns` as in `HyperliquidAccount`, never 0."""

    def __init__(
        self, info: InfoClient, account: HyperliquidAccount, orders: Orders, since_ns: int, payloads: Payloads
    ) -> None:
        self._payloads = payloads
        self.account = account
        self.since_ns = since_ns
        self._info = info
        self._orders = orders
        self._told_ns = 0

    async def _ask(self, kind: str, **more: Any) -> bytes:  # noqa: ANN401 - whatever the question takes
        return await self._info.ask({"type": kind, "user": self.account.address, **more})

    def _decoded(self, body: bytes, kind: type[_T], what: str) -> _T:
        """As `decoded`; what is not understood is kept."""
        try:
            value = decoded(body, kind, what)
        except VenueError as error:
            self._payloads.keep(body, str(error), self._told_ns)
            raise
        self._payloads.look(body, value)
        return value

    async def state(self) -> WireAccount:
        """Cash, positions and the venue's time. Raises `VenueError`."""
        return self._decoded(await self._ask("clearinghouseState"), WireAccount, "clearinghouseState")

    async def role(self, address: str) -> WireRole:
        """What an address is to the venue. Raises `VenueError`."""
        return self._decoded(await self._info.ask({"type": "userRole", "user": address}), WireRole, "userRole")

    async def rate_limit(self) -> WireRateLimit:
        """How much the account has traded, and how many actions it has for that. Raises `VenueError`."""
        return self._decoded(await self._ask("userRateLimit"), WireRateLimit, "userRateLimit")

    async def agents(self) -> list[WireAgent]:
        """The API wallets that the account has approved under a name, and until when. Raises `VenueError`."""
        return self._decoded(await self._ask("extraAgents"), list[WireAgent], "extraAgents")

    async def leverage(self, coin: str) -> WireLeverage:
        """Margin mode and leverage of a contract. Raises `VenueError`."""
        return self._decoded(await self._ask("activeAssetData", coin=coin), WireAssetData, "activeAssetData").leverage

    async def report(self, query: Query) -> OrderReport:
        """What the venue knows of an order, as of a moment before the answer. Raises `VenueError`."""
        asked_ns = (await self.state()).time * MS
        body = await self._ask("orderStatus", oid=cloid_of(query.cid))
        answer = self._decoded(body, WireOrderStatus, "orderStatus")
        if answer.order is None:
            return OrderReport(cid=query.cid, found=False, venue_ts_ns=asked_ns)
        order = answer.order.order
        instrument = self._instrument(order.coin)
        try:
            line = self._orders.seen(self.account.id, instrument, order)
            filled = line.earlier + instrument.qty(order.orig_sz) - instrument.qty(order.sz)
        except (DataError, Unrepresentable, ArithmeticError) as error:
            raise VenueError(f"the order {query.cid} is not understood: {error}") from error
        return OrderReport(
            cid=query.cid,
            found=True,
            status=status_of(answer.order.status),
            filled=filled,
            price=line.terms.price,
            qty=line.qty,
            venue_id=str(order.oid),
            venue_ts_ns=max(asked_ns, answer.order.status_timestamp * MS),
        )

    async def snapshot(self) -> VenueSnapshot:
        """Everything of the account, with fills and funding since a little before the last one. Raises `VenueError`."""
        state = await self.state()
        now_ns = state.time * MS
        orders = self._decoded(await self._ask("frontendOpenOrders"), list[WireOrder], "frontendOpenOrders")
        from_ns = self._told_ns - OVERLAP_NS if self._told_ns else min(self.since_ns, now_ns - FIRST_LOOK_NS)
        try:
            fills = await self._fills(from_ns)
            funding = await self._funding(max(from_ns, self.since_ns))
            snapshot = VenueSnapshot(
                venue_ts_ns=now_ns,
                account=self.account.id,
                cash=_cash(state),
                orders=tuple(self._open_order(order) for order in orders if order.coin in self._orders.instruments),
                positions=tuple(self._positions(state)),
                fills=tuple(fills),
                funding=tuple(funding),
            )
        except (DataError, Unrepresentable, ArithmeticError) as error:
            raise VenueError(f"the account {self.account.id} is not understood: {error}") from error
        self._told_ns = now_ns
        return snapshot

    async def _fills(self, from_ns: int) -> list[Filled]:
        """Fills from then on, page by page; those before `since_ns` are counted for their orders, and not told."""
        start_ms, found = from_ns // MS, dict[str, Filled]()
        while True:
            page = self._decoded(
                await self._ask("userFillsByTime", startTime=start_ms), list[WireFill], "userFillsByTime"
            )
            for fill in page:
                event = self._orders.fill(self.account.id, self.account.address, fill)
                if event is not None and event.venue_ts_ns >= self.since_ns:
                    found[event.fill_id] = event
            newest_ms = max((fill.time for fill in page), default=0)
            if len(page) < PAGE or newest_ms <= start_ms:
                return sorted(found.values(), key=lambda event: event.venue_ts_ns)
            start_ms = newest_ms

    async def _funding(self, from_ns: int) -> list[FundingPaid]:
        start_ms, found = from_ns // MS, dict[str, FundingPaid]()
        while True:
            body = await self._ask("userFunding", startTime=start_ms)
            page = self._decoded(body, list[WireLedgerFunding], "userFunding")
            for entry in page:
                wire = WireFunding(time=entry.time, coin=entry.delta.coin, usdc=entry.delta.usdc)
                event = funding_of(self.account.id, self._orders, wire)
                if event is not None:
                    found[event.funding_id] = event
            newest_ms = max((entry.time for entry in page), default=0)
            if len(page) < FUNDING_PAGE or newest_ms <= start_ms:
                return list(found.values())
            start_ms = newest_ms

    def _open_order(self, order: WireOrder) -> OpenOrder:
        instrument = self._instrument(order.coin)
        line = self._orders.seen(self.account.id, instrument, order)
        terms = line.terms
        return OpenOrder(
            cid=terms.cid,
            instrument=instrument.id,
            side=terms.side,
            kind=terms.kind,
            price=terms.price,
            trigger=terms.trigger,
            qty=line.qty,
            filled=line.earlier + instrument.qty(order.orig_sz) - instrument.qty(order.sz),
            reduce_only=terms.reduce_only,
            venue_id=str(order.oid),
        )

    def _positions(self, state: WireAccount) -> list[VenuePosition]:
        found = []
        for entry in state.asset_positions:
            position = entry.position
            instrument = self._instrument(position.coin)
            qty = instrument.qty(position.szi)
            value = _money(position.position_value) * (1 if qty > 0 else -1)
            paid = value - _money(position.unrealized_pnl)
            if qty:
                found.append(VenuePosition(instrument=instrument.id, qty=qty, entry_value=paid))
        return found

    def _instrument(self, coin: str) -> Instrument:
        instrument = self._orders.instruments.get(coin)
        if instrument is None:
            raise VenueError(f"Hyperliquid tells of {coin!r:.40}, which is none of its perpetuals")
        return instrument


def _money(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except ArithmeticError as error:
        raise DataError(f"Hyperliquid sent {text!r:.40} where money belongs") from error
    if not value.is_finite():
        raise DataError(f"Hyperliquid sent {text!r:.40} where money belongs")
    return value


def _cash(state: WireAccount) -> Decimal:
    """Equity without what is not realised."""
    unrealised = sum((_money(entry.position.unrealized_pnl) for entry in state.asset_positions), ZERO)
    return _money(state.margin_summary.account_value) - unrealised
