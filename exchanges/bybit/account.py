"""One account at Bybit: what is checked and set at the start, and the read path.

Everything here is asked over REST, apart from the orders' road. Every answer is stamped by the venue; a snapshot has
the stamp of the first, so nothing that the engine knew before it can be missing for being too fresh.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, TypeVar

from domain.errors import ConfigError, DataError
from domain.events import Filled, FundingPaid, OpenOrder, OrderReport, VenuePosition, VenueSnapshot
from domain.instrument import ZERO, Instrument
from domain.order import ArmDeadMan, Liquidity, OrderKind, OrderStatus, Query
from exchanges.bybit.config import CATEGORY, MS, Network
from exchanges.bybit.requests import RISES, SIDES
from exchanges.bybit.wire import (
    Envelope,
    Rows,
    WireAccount,
    WireExecution,
    WireKey,
    WireOrder,
    WirePosition,
    WireTime,
    WireWallet,
    decoded,
    opened,
)
from exchanges.viaccxt.session import Session

log = logging.getLogger(__name__)

T = TypeVar("T")
WEEK_MS = 7 * 86_400_000
"""Executions are told for a week at most."""
DEADLINE_DAYS = 7
NOT_MODIFIED = {110043, 110026, 110025}
DCP_S = (3, 300)
MARGINS = {"cross": "REGULAR_MARGIN", "isolated": "ISOLATED_MARGIN"}
STATUSES = {
    "New": OrderStatus.OPEN,
    "PartiallyFilled": OrderStatus.OPEN,
    "Untriggered": OrderStatus.OPEN,
    "Triggered": OrderStatus.OPEN,
    "Active": OrderStatus.OPEN,
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELLED,
    "PartiallyFilledCanceled": OrderStatus.CANCELLED,
    "Deactivated": OrderStatus.CANCELLED,
    "Rejected": OrderStatus.REJECTED,
}
WOULD_TAKE = "EC_PostOnlyWillTakeLiquidity"
FORCED = frozenset({"BustTrade", "AdlTrade"})
FUNDING = "Funding"


def cid_of(order: WireOrder | WireExecution) -> str:
    """Our id; of what is not ours one that cannot be."""
    return order.order_link_id or f"bybit-{order.order_id}"


def side_of(word: str) -> int:
    """BUY or SELL. Raises `DataError`."""
    side = SIDES.get(word)
    if side is None:
        raise DataError(f"Bybit sent the side {word!r:.40}, expected Buy or Sell")
    return side


def number(text: str) -> str:
    """A number that may be empty."""
    return text or "0"


class Account:
    """Asks about one account, and prepares it."""

    def __init__(self, session: Session, network: Network) -> None:
        self._session = session
        self._network = network
        self._quotes = sorted({instrument.quote for instrument in session.by_id.values()})

    async def _read(self, path: str, **params: Any) -> Envelope:  # noqa: ANN401 - whatever the question takes
        """One signed answer. Raises `VenueError`."""
        return opened(await self._session.client.ask("GET", "private", f"v5/{path}", params), path)

    async def _pages(self, path: str, kind: type[T], **params: Any) -> AsyncIterator[list[T]]:  # noqa: ANN401
        cursor: dict[str, str] = {}
        while True:
            envelope = await self._read(path, category=CATEGORY, **params, **cursor)
            rows = decoded(envelope.result, Rows[kind], path)  # type: ignore[valid-type]
            yield rows.rows
            if not rows.next_page_cursor or not rows.rows:
                return
            cursor = {"cursor": rows.next_page_cursor}

    # the start

    async def prepare(self) -> int:
        """Refuse what is not safe to trade with, set the terms; returns the venue's time in ns.

        Raises `ConfigError`, `VenueError`.
        """
        session = self._session
        answer = await session.client.ask("GET", "public", "v5/market/time", {})
        now_ns = int(decoded(opened(answer, "market/time").result, WireTime, "market/time").time_nano)
        off_s = (session.clock.now_ns() - now_ns) / 1e9
        if abs(off_s) > session.patience.max_clock_skew_s:
            raise ConfigError(
                f"this machine's clock is {off_s:+.1f} s off Bybit's: orders would be refused or expire at the wrong "
                "time; set it right (NTP) and start again"
            )
        if self._network.tells_keys:
            await self._check_key()
        envelope = await self._read("account/info")
        account = decoded(envelope.result, WireAccount, "account/info")
        session.has_dead_man = account.dcp_status == "ON"
        await self._set_margin(account.margin_mode)
        for instrument in session.by_id.values():
            await self._prepare_contract(instrument)
        return now_ns

    async def _check_key(self) -> None:
        name = self._session.account.id
        key = decoded((await self._read("user/query-api")).result, WireKey, "user/query-api")
        if "Withdraw" in key.permissions.get("Wallet", []):
            raise ConfigError(
                f"the key of {name} may withdraw; make one at Bybit with contract orders and positions and nothing else"
            )
        if key.read_only or not {"Order", "Position"} <= set(key.permissions.get("ContractTrade", [])):
            raise ConfigError(f"the key of {name} may not trade contracts; allow it orders and positions at Bybit")
        if not key.uta:
            raise ConfigError(f"{name} is a classic account; upgrade it to a unified trading account at Bybit")
        if 0 < key.deadline_day <= DEADLINE_DAYS:
            log.warning("the key of %s ends in %d days; bind it to an IP address at Bybit, or make another", name,
                        key.deadline_day)  # fmt: skip

    async def _set_margin(self, mode: str) -> None:
        """The margin mode is the account's: all contracts must want the same one."""
        asked = {terms.margin for terms in self._session.terms.values()}
        if len(asked) > 1:
            raise ConfigError(
                f"{self._session.account.id}: Bybit has one margin mode for a whole account; set cross or isolated for "
                "all of its instruments, or use a sub-account"
            )
        for margin in asked:
            if MARGINS[margin] != mode:
                await self._set("account/set-margin-mode", margin, setMarginMode=MARGINS[margin])

    async def _prepare_contract(self, instrument: Instrument) -> None:
        """Refuse hedge mode, and set the leverage."""
        symbol, terms = instrument.venue_symbol, self._session.terms.get(instrument.id)
        rows = [row async for page in self._pages("position/list", WirePosition, symbol=symbol) for row in page]
        if any(row.position_idx for row in rows):
            raise ConfigError(
                f"{symbol} of {self._session.account.id} is in hedge mode; close its positions and switch it to "
                "one-way mode (Bybit, Derivatives, Preferences, Position Mode)"
            )
        leverage = terms.leverage if terms is not None else 0
        if leverage and all(Decimal(number(row.leverage)) != leverage for row in rows):
            wanted = str(leverage)
            both = {"buyLeverage": wanted, "sellLeverage": wanted}
            await self._set("position/set-leverage", wanted, category=CATEGORY, symbol=symbol, **both)

    async def _set(self, path: str, value: str, **params: Any) -> None:  # noqa: ANN401
        answer = await self._session.client.ask("POST", "private", f"v5/{path}", params)
        envelope = decoded(answer.body, Envelope, path) if answer.status == 200 else Envelope(answer.status, "HTTP")
        if envelope.ret_code and envelope.ret_code not in NOT_MODIFIED:
            raise ConfigError(
                f"Bybit does not set {path.partition('-')[2]} of {params.get('symbol', 'the account')} to {value}: "
                f"{envelope.ret_code} {envelope.ret_msg} Change the setting, or close what is open there"
            )

    async def dead_man(self, intent: ArmDeadMan) -> None:
        """Set the window of disconnection protection. Raises `VenueError`."""
        left_s = (intent.deadline_ns - self._session.clock.now_ns()) // 10**9
        window_s = max(DCP_S[0], min(DCP_S[1], left_s))
        params = {"timeWindow": window_s, "product": "DERIVATIVES"}
        path = "order/disconnected-cancel-all"
        opened(await self._session.client.ask("POST", "private", f"v5/{path}", params, urgent=True), path)

    # questions

    async def report(self, query: Query) -> OrderReport:
        """What the venue knows of an order, as of the first answer. Raises `VenueError`, `DataError`."""
        instrument, asked_ns = self._session.instrument(query.instrument), 0
        for path in ("order/realtime", "order/history"):
            names = {"symbol": instrument.venue_symbol, "orderLinkId": query.cid}
            envelope = await self._read(path, category=CATEGORY, **names)
            asked_ns = asked_ns or envelope.time * MS
            for order in decoded(envelope.result, Rows[WireOrder], path).rows:
                return self._report(query, instrument, order, asked_ns)
        return OrderReport(cid=query.cid, found=False, venue_ts_ns=asked_ns)

    @staticmethod
    def _report(query: Query, instrument: Instrument, order: WireOrder, asked_ns: int) -> OrderReport:
        filled = instrument.qty(number(order.cum_exec_qty))
        status = STATUSES.get(order.order_status, OrderStatus.UNKNOWN)
        if order.reject_reason == WOULD_TAKE and not filled:
            status = OrderStatus.REJECTED
        return OrderReport(
            cid=query.cid,
            found=True,
            status=status,
            filled=filled,
            price=instrument.price(number(order.price)),
            qty=instrument.qty(order.qty),
            venue_id=order.order_id,
            venue_ts_ns=max(asked_ns, int(order.updated_time) * MS),
        )

    async def snapshot(self, from_ns: int) -> VenueSnapshot:
        """Cash, positions, orders, fills and funding. Raises `VenueError`, `DataError`, `Unrepresentable`."""
        envelope = await self._read("account/wallet-balance", accountType="UNIFIED")
        now_ns = envelope.time * MS
        wallets = decoded(envelope.result, Rows[WireWallet], "wallet-balance").rows
        coins = {coin.coin: coin.wallet_balance for wallet in wallets for coin in wallet.coin}
        positions: list[VenuePosition] = []
        orders: list[OpenOrder] = []
        for quote in self._quotes:
            async for held in self._pages("position/list", WirePosition, settleCoin=quote, limit=200):
                positions += [position for row in held if (position := self._position(row)) is not None]
            async for open_orders in self._pages("order/realtime", WireOrder, settleCoin=quote, limit=50):
                orders += [self._open_order(row) for row in open_orders if row.symbol in self._session.by_symbol]
        fills, funding = await self._executions(from_ns, now_ns)
        return VenueSnapshot(
            venue_ts_ns=now_ns,
            account=self._session.account.id,
            cash=sum((Decimal(number(coins.get(quote, ""))) for quote in self._quotes), ZERO),
            orders=tuple({order.cid: order for order in orders}.values()),
            positions=tuple(positions),
            fills=tuple(fills),
            funding=tuple(funding),
        )

    def _position(self, row: WirePosition) -> VenuePosition | None:
        instrument = self._session.by_symbol.get(row.symbol)
        if instrument is None or not row.side or not Decimal(number(row.size)):
            return None
        side = side_of(row.side)
        paid = Decimal(number(row.position_value)) * side
        return VenuePosition(instrument=instrument.id, qty=side * instrument.qty(row.size), entry_value=paid)

    def _open_order(self, order: WireOrder) -> OpenOrder:
        instrument, side = self._session.by_symbol[order.symbol], side_of(order.side)
        trigger = instrument.price(number(order.trigger_price))
        kind = {"PostOnly": OrderKind.POST_ONLY, "IOC": OrderKind.IOC}.get(order.time_in_force, OrderKind.LIMIT)
        if trigger:
            is_stop = (order.trigger_direction == RISES) == (side > 0)
            kind = OrderKind.STOP if is_stop else OrderKind.TAKE_PROFIT
        return OpenOrder(
            cid=cid_of(order),
            instrument=instrument.id,
            side=side,
            kind=kind,
            price=instrument.price(number(order.price)),
            trigger=trigger,
            qty=instrument.qty(order.qty),
            filled=instrument.qty(number(order.cum_exec_qty)),
            reduce_only=order.reduce_only,
            venue_id=order.order_id,
        )

    async def _executions(self, from_ns: int, now_ns: int) -> tuple[list[Filled], list[FundingPaid]]:
        """Fills and funding since then, a week at a time and page by page, oldest first."""
        found: dict[str, Filled | FundingPaid] = {}
        start_ms, now_ms = from_ns // MS, now_ns // MS
        while start_ms <= now_ms:
            span = {"startTime": start_ms, "endTime": min(now_ms + 1_000, start_ms + WEEK_MS)}
            async for page in self._pages("execution/list", WireExecution, limit=100, **span):
                for row in page:
                    if row.symbol in self._session.by_symbol:
                        found[row.exec_id] = self.executed(row)
            start_ms += WEEK_MS + 1
        events = sorted(found.values(), key=lambda event: event.venue_ts_ns)
        fills = [event for event in events if isinstance(event, Filled)]
        return fills, [event for event in events if isinstance(event, FundingPaid)]

    def executed(self, row: WireExecution) -> Filled | FundingPaid:
        """One execution as an event. Raises `DataError`, `Unrepresentable`."""
        instrument = self._session.by_symbol[row.symbol]
        ts_ns, fee = int(row.exec_time) * MS, Decimal(number(row.exec_fee))
        if row.exec_type == FUNDING:
            return FundingPaid(
                venue_ts_ns=ts_ns,
                account=self._session.account.id,
                instrument=instrument.id,
                funding_id=row.exec_id,
                amount=-fee,
            )
        return Filled(
            venue_ts_ns=ts_ns,
            account=self._session.account.id,
            instrument=instrument.id,
            cid=cid_of(row),
            fill_id=row.exec_id,
            side=side_of(row.side),
            price=instrument.price(row.exec_price),
            qty=instrument.qty(row.exec_qty),
            fee=fee,
            liquidity=Liquidity.MAKER if row.is_maker else Liquidity.TAKER,
            liquidation=row.exec_type in FORCED,
        )
