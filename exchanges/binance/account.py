"""One account at Binance: what is checked and set at the start, and the read path.

Everything here is asked over REST, apart from the orders' road.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

from domain.errors import ConfigError, DataError, VenueError
from domain.events import Filled, FundingPaid, OpenOrder, OrderReport, VenuePosition, VenueSnapshot
from domain.instrument import ZERO, Instrument
from domain.order import BUY, SELL, ArmDeadMan, ClientId, Liquidity, OrderKind, OrderStatus, Query
from exchanges.binance.config import MS, Network
from exchanges.binance.markets import ExchangeInfo, listed
from exchanges.binance.requests import our_cid, venue_cid
from exchanges.binance.wire import (
    WireAlgo,
    WireBalance,
    WireError,
    WireIncome,
    WireOrder,
    WirePosition,
    WireTrade,
    decoded,
)
from exchanges.viaccxt.dialect import Answer
from exchanges.viaccxt.session import Session

log = logging.getLogger(__name__)

PAGE = 1_000
WEEK_MS = 7 * 86_400_000 - 1
"""userTrades answers for a week at most."""
STATUSES = {
    "NEW": OrderStatus.OPEN,
    "PARTIALLY_FILLED": OrderStatus.OPEN,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.CANCELLED,
    "EXPIRED_IN_MATCH": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
}
KINDS = {"GTX": OrderKind.POST_ONLY, "IOC": OrderKind.IOC}
SIDES = {"BUY": BUY, "SELL": SELL}
GONE = -2013


class Restrictions(Struct, rename="camel"):
    """What a key may do."""

    enable_withdrawals: bool
    enable_futures: bool
    permits_universal_transfer: bool = False
    enable_internal_transfer: bool = False


class AccountConfig(Struct, rename="camel"):
    """How the account is set."""

    can_trade: bool
    dual_side_position: bool
    multi_assets_margin: bool = False


class SymbolConfig(Struct, rename="camel"):
    """How a symbol is margined."""

    symbol: str
    margin_type: str
    leverage: int


class ServerTime(Struct):
    """The venue's clock."""

    ms: int = field(name="serverTime")


class FeeBurn(Struct):
    """Whether fees are paid in BNB."""

    on: bool = field(name="feeBurn")


class ListenKey(Struct):
    """Names a user data stream."""

    key: str = field(name="listenKey")


class Account:
    """Asks about one account, and prepares it."""

    def __init__(self, session: Session, network: Network) -> None:
        self._session = session
        self._network = network
        self._traded = [instrument.venue_symbol for instrument in session.by_id.values()]

    async def _ask(self, path: str, *, api: str = "fapiPrivate", method: str = "GET", weight: int = 1, **params: Any) -> Answer:  # noqa: ANN401, E501  # fmt: skip
        return await self._session.client.ask(method, api, path, params, weight=weight)

    async def _read(self, path: str, **more: Any) -> bytes:  # noqa: ANN401
        """An answer's body. Raises `VenueError` with the venue's words for anything but success."""
        answer = await self._ask(path, **more)
        if answer.status != 200:
            said = answer.body[:300].decode(errors="replace")
            raise VenueError(f"Binance did not answer {path}: HTTP {answer.status} {said}")
        return answer.body

    # the start

    async def prepare(self) -> int:
        """Refuse what is not safe to trade with, set the terms; returns the venue's time in ns.

        Raises `ConfigError`, `VenueError`.
        """
        session = self._session
        now_ns = await self._now_ns()
        off_s = (session.clock.now_ns() - now_ns) / 1e9
        if abs(off_s) > session.patience.max_clock_skew_s:
            raise ConfigError(
                f"this machine's clock is {off_s:+.1f} s off Binance's: orders would be refused or expire at the wrong "
                "time; set it right (NTP) and start again"
            )
        await self._check_contracts()
        await self._check_key()
        for symbol in self._traded:
            await self._set_terms(symbol)
        return now_ns

    async def _now_ns(self) -> int:
        return decoded(await self._read("time", api="fapiPublic"), ServerTime, "time").ms * MS

    async def _check_contracts(self) -> None:
        """The settings must count as the venue does; other contracts are known so that nothing of them is missed."""
        session = self._session
        for found in listed(decoded(await self._read("exchangeInfo", api="fapiPublic"), ExchangeInfo, "exchangeInfo")):
            ours = session.by_symbol.setdefault(found.venue_symbol, found)
            same = ("price_decimals", "qty_decimals", "tick", "lot")
            wrong = [name for name in same if getattr(ours, name) != getattr(found, name)]
            if wrong:
                said = ", ".join(f"{name} {getattr(found, name)}" for name in wrong)
                raise ConfigError(f"{ours.id}: Binance has {said}, the settings differ; correct them")
            session.by_id.setdefault(found.id, found)
        missing = [symbol for symbol in self._traded if symbol not in session.by_symbol]
        if missing:
            raise ConfigError(f"Binance does not list {', '.join(missing)}; remove it or correct its venue symbol")

    async def _check_key(self) -> None:
        name = self._session.account.id
        answer = await self._ask("accountConfig", weight=5)
        if answer.status in {400, 401, 403}:
            said = decoded(answer.body, WireError, "accountConfig")
            raise ConfigError(
                f"Binance refuses the key of {name}: {said.code} {said.msg} Check the API key and its secret, that it "
                "is of this network, and that this machine's address is on its list"
            )
        config = decoded(answer.body, AccountConfig, "accountConfig")
        if not config.can_trade:
            raise ConfigError(f"{name} may not trade at Binance; see the account's status there")
        if config.dual_side_position:
            raise ConfigError(
                f"{name} is in hedge mode; close its positions and switch it to one-way mode (Binance, Futures, "
                "Preferences, Position Mode)"
            )
        if config.multi_assets_margin:
            raise ConfigError(f"{name} is in multi-assets mode; switch it to single-asset mode (Preferences, Asset Mode)")
        if decoded(await self._read("feeBurn"), FeeBurn, "feeBurn").on:
            raise ConfigError(f"{name} pays fees in BNB, which cannot be booked; switch that off (Futures, BNB fees)")
        if not self._network.has_restrictions:
            return
        body = await self._read("account/apiRestrictions", api="sapi")
        may = decoded(body, Restrictions, "account/apiRestrictions")
        if may.enable_withdrawals or may.permits_universal_transfer or may.enable_internal_transfer:
            raise ConfigError(
                f"the key of {name} may withdraw or transfer; make one at Binance with futures trading and nothing else"
            )
        if not may.enable_futures:
            raise ConfigError(f"the key of {name} may not trade futures; allow that at Binance")

    async def _set_terms(self, symbol: str) -> None:
        """Margin mode and leverage as configured; what is already so is left alone."""
        instrument = self._session.by_symbol[symbol]
        terms = self._session.terms.get(instrument.id)
        if terms is None:
            return
        body = await self._read("symbolConfig", weight=5, symbol=symbol)
        found = next((each for each in decoded(body, list[SymbolConfig], "symbolConfig") if each.symbol == symbol), None)
        margin = "CROSSED" if terms.margin == "cross" else "ISOLATED"
        if found is None or found.margin_type != margin:
            await self._set("marginType", symbol, marginType=margin)
        if terms.leverage and (found is None or found.leverage != terms.leverage):
            await self._set("leverage", symbol, leverage=str(terms.leverage))

    async def _set(self, path: str, symbol: str, **params: str) -> None:
        answer = await self._ask(path, method="POST", symbol=symbol, **params)
        if answer.status != 200:
            said = decoded(answer.body, WireError, path)
            value = next(iter(params.values()))
            raise ConfigError(
                f"Binance does not set {path} of {symbol} to {value}: {said.code} {said.msg} Change the setting, or "
                "close what is open there"
            )

    async def listen_key(self) -> str:
        """A new user data stream. Raises `VenueError`."""
        return decoded(await self._read("listenKey", method="POST"), ListenKey, "listenKey").key

    async def keep_listen_key(self) -> None:
        """Keep it for another hour. Raises `VenueError`."""
        await self._read("listenKey", method="PUT")

    async def dead_man(self, intent: ArmDeadMan) -> None:
        """Cancel all orders of each traded symbol at the deadline. Raises `VenueError`."""
        left_ms = (intent.deadline_ns - self._session.clock.now_ns()) // MS if intent.deadline_ns else 0
        for symbol in self._traded:
            time_ms = str(max(1, left_ms) if intent.deadline_ns else 0)
            await self._read("countdownCancelAll", method="POST", weight=10, symbol=symbol, countdownTime=time_ms)

    # questions

    async def report(self, query: Query) -> OrderReport:
        """What the venue knows of an order, as of a moment before the answer. Raises `VenueError`, `DataError`."""
        asked_ns = await self._now_ns()
        instrument = self._session.instrument(query.instrument)
        line = self._session.orders.line(query.cid)
        order = None
        if line is None or not line.is_trigger:
            order = await self._order(instrument, origClientOrderId=venue_cid(query.cid))
        algo = None
        if order is None and (line is None or line.is_trigger):
            algo = await self._algo(venue_cid(query.cid, line.revision if line is not None else 0))
            if algo is not None and algo.actual_order_id not in {"", "0"}:
                self._session.orders.knows(query.cid, algo.actual_order_id)
                order = await self._order(instrument, orderId=algo.actual_order_id)
        if order is not None:
            return OrderReport(
                cid=query.cid,
                found=True,
                status=STATUSES.get(order.status, OrderStatus.UNKNOWN),
                filled=instrument.qty(order.executed_qty),
                price=instrument.price(order.price) if algo is None else instrument.price(algo.price),
                qty=instrument.qty(order.orig_qty),
                venue_id=str(order.order_id),
                venue_ts_ns=max(asked_ns, order.update_time * MS),
            )
        if algo is None:
            return OrderReport(cid=query.cid, found=False, venue_ts_ns=asked_ns)
        status = OrderStatus.OPEN if algo.algo_status == "NEW" else STATUSES.get(algo.algo_status, OrderStatus.UNKNOWN)
        return OrderReport(
            cid=query.cid, found=True, status=status, price=instrument.price(algo.price),
            qty=instrument.qty(algo.quantity), venue_id=str(algo.algo_id),
            venue_ts_ns=max(asked_ns, algo.update_time * MS),
        )  # fmt: skip

    async def _order(self, instrument: Instrument, **by: str) -> WireOrder | None:
        answer = await self._ask("order", symbol=instrument.venue_symbol, **by)
        return _found(answer, WireOrder, "order")

    async def _algo(self, cid: str) -> WireAlgo | None:
        return _found(await self._ask("algoOrder", clientAlgoId=cid), WireAlgo, "algoOrder")

    async def snapshot(self, from_ns: int) -> VenueSnapshot:
        """Orders, positions, cash, fills and funding. Raises `VenueError`, `DataError`, `Unrepresentable`."""
        now_ns = await self._now_ns()
        orders = decoded(await self._read("openOrders", weight=40), list[WireOrder], "openOrders")
        algos = decoded(await self._read("openAlgoOrders", weight=40), list[WireAlgo], "openAlgoOrders")
        told = [self._open_order(order) for order in orders if order.symbol in self._session.by_symbol]
        told += self._open_algos(algos)
        for order in told:
            self._session.orders.seen(order, self._session.instrument(order.instrument))
        positions = list(self._positions(await self._read("positionRisk", api="fapiPrivateV3", weight=5)))
        held = {self._session.instrument(position.instrument).venue_symbol for position in positions}
        fills: list[Filled] = []
        for symbol in sorted({*self._traded, *held, *(order.symbol for order in orders)} & {*self._session.by_symbol}):
            fills += await self._fills(symbol, from_ns, now_ns)
        funding = await self._funding(from_ns)
        return VenueSnapshot(
            venue_ts_ns=now_ns,
            account=self._session.account.id,
            cash=self._cash(decoded(await self._read("balance", api="fapiPrivateV3"), list[WireBalance], "balance")),
            orders=tuple(told),
            positions=tuple(positions),
            fills=tuple(sorted(fills, key=lambda fill: fill.venue_ts_ns)),
            funding=tuple(funding),
        )

    def _open_order(self, order: WireOrder) -> OpenOrder:
        instrument = self._session.by_symbol[order.symbol]
        return OpenOrder(
            cid=our_cid(order.client_order_id)[0],
            instrument=instrument.id,
            side=_side(order.side),
            kind=KINDS.get(order.time_in_force, OrderKind.LIMIT),
            price=instrument.price(order.price),
            trigger=0,
            qty=instrument.qty(order.orig_qty),
            filled=instrument.qty(order.executed_qty),
            reduce_only=order.reduce_only,
            venue_id=str(order.order_id),
        )

    def _open_algos(self, algos: Iterable[WireAlgo]) -> list[OpenOrder]:
        """Conditional orders; of one that was amended the newest counts."""
        found: dict[ClientId, tuple[int, OpenOrder]] = {}
        for algo in algos:
            instrument = self._session.by_symbol.get(algo.symbol)
            if instrument is None or algo.algo_status != "NEW":
                continue
            cid, revision = our_cid(algo.client_algo_id)
            order = OpenOrder(
                cid=cid,
                instrument=instrument.id,
                side=_side(algo.side),
                kind=OrderKind.STOP if algo.order_type.startswith("STOP") else OrderKind.TAKE_PROFIT,
                price=instrument.price(algo.price),
                trigger=instrument.price(algo.trigger_price),
                qty=instrument.qty(algo.quantity),
                filled=0,
                reduce_only=algo.reduce_only,
                venue_id=str(algo.algo_id),
            )
            if cid not in found or found[cid][0] < revision:
                found[cid] = (revision, order)
        for cid, (revision, order) in found.items():
            self._session.orders.seen(order, self._session.instrument(order.instrument)).revision = revision
            log.debug("the conditional order %s rests", cid)
        return [order for _, order in found.values()]

    def _positions(self, body: bytes) -> Iterable[VenuePosition]:
        for position in decoded(body, list[WirePosition], "positionRisk"):
            instrument = self._session.by_symbol.get(position.symbol)
            if instrument is None:
                continue
            qty = instrument.qty(position.position_amt)
            if qty:
                entry = Decimal(position.notional) - Decimal(position.un_realized_profit)
                yield VenuePosition(instrument=instrument.id, qty=qty, entry_value=entry)

    def _cash(self, balances: Iterable[WireBalance]) -> Decimal:
        """Wallet balances in the currencies that the traded contracts are settled in."""
        quotes = {self._session.by_symbol[symbol].quote for symbol in self._traded}
        return sum((Decimal(each.balance) for each in balances if each.asset in quotes), ZERO)

    async def _fills(self, symbol: str, from_ns: int, now_ns: int) -> list[Filled]:
        """Fills of one symbol since then, a week at a time and page by page."""
        found: dict[int, WireTrade] = {}
        start_ms, now_ms = from_ns // MS, now_ns // MS
        while start_ms <= now_ms:
            more: dict[str, str] = {"startTime": str(start_ms), "endTime": str(min(now_ms + 1, start_ms + WEEK_MS))}
            while True:
                body = await self._read("userTrades", weight=5, symbol=symbol, limit=str(PAGE), **more)
                page = decoded(body, list[WireTrade], "userTrades")
                found |= {trade.id: trade for trade in page}
                if len(page) < PAGE:
                    break
                more = {"fromId": str(max(trade.id for trade in page) + 1)}
            start_ms += WEEK_MS + 1
        return [await self._fill(trade) for trade in found.values()]

    async def _fill(self, trade: WireTrade) -> Filled:
        instrument = self._session.by_symbol[trade.symbol]
        price, qty = instrument.price(trade.price), instrument.qty(trade.qty)
        return Filled(
            venue_ts_ns=trade.time * MS,
            account=self._session.account.id,
            instrument=instrument.id,
            cid=await self._cid_of(instrument, str(trade.order_id)),
            fill_id=f"{trade.symbol}-{trade.id}",
            side=_side(trade.side),
            price=price,
            qty=qty,
            fee=self.fee(instrument, trade.commission, trade.commission_asset, price, qty, is_maker=trade.maker),
            liquidity=Liquidity.MAKER if trade.maker else Liquidity.TAKER,
        )

    async def _cid_of(self, instrument: Instrument, order_id: str) -> ClientId:
        """A fill of the read path names only the venue's id; what was never seen here is asked for, once."""
        orders = self._session.orders
        cid = orders.cid_of(instrument.id, order_id)
        if cid:
            return cid
        order = await self._order(instrument, orderId=order_id)
        cid = our_cid(order.client_order_id)[0] if order is not None else f"binance-{order_id}"
        if order is not None and orders.line(cid) is None:
            body = await self._read("allAlgoOrders", weight=5, symbol=instrument.venue_symbol, limit=str(PAGE))
            algos = decoded(body, list[WireAlgo], "allAlgoOrders")
            known = {algo.actual_order_id: our_cid(algo.client_algo_id)[0] for algo in algos}
            cid = known.get(order_id, cid)
        orders.remember(instrument.id, order_id, cid)
        return cid

    def fee(
        self, instrument: Instrument, text: str, asset: str, price: int, qty: int, *, is_maker: bool
    ) -> Decimal:  # fmt: skip
        """A fill's fee. One in another currency (fees in BNB, switched on while we trade) is estimated by the rate."""
        if asset in {instrument.quote, ""}:
            return Decimal(text)
        log.error("Binance took a fee in %s; switch fees in BNB off: it is booked by the rate in %s", asset, instrument.quote)
        return instrument.fee(price, qty, instrument.maker_fee if is_maker else instrument.taker_fee)

    async def _funding(self, from_ns: int) -> list[FundingPaid]:
        found: dict[str, FundingPaid] = {}
        start_ms = from_ns // MS
        while True:
            body = await self._read("income", weight=30, incomeType="FUNDING_FEE", startTime=str(start_ms), limit=str(PAGE))
            page = decoded(body, list[WireIncome], "income")
            for paid in page:
                instrument = self._session.by_symbol.get(paid.symbol)
                if instrument is not None and paid.income_type == "FUNDING_FEE":
                    name = f"{paid.symbol}-{paid.tran_id}"
                    found[name] = FundingPaid(
                        venue_ts_ns=paid.time * MS, account=self._session.account.id, instrument=instrument.id,
                        funding_id=name, amount=Decimal(paid.income),
                    )  # fmt: skip
            newest_ms = max((paid.time for paid in page), default=0)
            if len(page) < PAGE or newest_ms <= start_ms:
                return list(found.values())
            start_ms = newest_ms


def _side(word: str) -> int:
    side = SIDES.get(word)
    if side is None:
        raise DataError(f"Binance sent the side {word!r:.40}, expected BUY or SELL")
    return side


def _found(answer: Answer, kind: Any, what: str) -> Any:  # noqa: ANN401 - one of the wire's orders
    """The order, or None when the venue has none. Raises `VenueError` for any other refusal."""
    if answer.status == 200:
        return decoded(answer.body, kind, what)
    error = decoded(answer.body, WireError, what)
    if error.code in {GONE, -2011}:
        return None
    raise VenueError(f"Binance did not answer {what}: HTTP {answer.status} {error.code} {error.msg}")
