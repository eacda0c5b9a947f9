"""The engine room of the local dYdX: a chain of one node, whose blocks come when `produce` is called.

Transactions are really decoded, their signatures really verified over the sign document, and CheckTx answers with the
chain's codes and words (`x/clob/types/errors.go`). Short-term orders are matched at once, stateful ones in the block
that brings them; what has filled is told with the next block, because only then it is on the chain. Orders are matched
by our `PaperExchange`.
"""

import time
from decimal import Decimal
from typing import Any

import msgspec

from domain.events import Cancelled, Filled, FundingPaid, Rejected, VenueEvent
from domain.order import BUY, SELL, Cancel, Liquidity, OrderKind, Place
from exchanges.dydx import chain
from exchanges.dydx.chain import BATCH_CANCEL, CANCEL, CONDITIONAL, LONG_TERM, PLACE, SHORT_TERM, OrderKey
from exchanges.dydx.config import SHORT_BLOCK_WINDOW
from exchanges.dydx.markets import FeeTier, market_of
from exchanges.dydx.wire import WireMarket
from exchanges.paper.clearing import affords
from tests.exchanges.dydx.ante import ADD, Checked, Refused, admitted
from tests.exchanges.dydx.chain_facts import ADDRESS, MARKETS, trading_authenticator
from tests.exchanges.dydx.holders import Holder
from tests.exchanges.dydx.records import Rec, Until
from tests.exchanges.matching import Books, MatchingRoom

MS = 1_000_000
FEES = FeeTier(maker_fee_ppm=100, taker_fee_ppm=500)
MAX_STATEFUL_S = 95 * 86_400
TIERS = ((0, 0), (20, 10), (100, 20), (1_000, 40), (10_000, 100), (50_000, 200))


class Room(MatchingRoom):
    """State and rules. `fresh` collects what the indexer is to tell: (account, order or None, fill or None)."""

    def __init__(self, cash: str) -> None:
        wires = [msgspec.convert(m, WireMarket, strict=False) for m in MARKETS]
        self.markets = {m.pair: m for m in (market_of(wire, FEES) for wire in wires)}
        self.account = f"{ADDRESS}/0"
        instruments = [m.instrument for m in self.markets.values()]
        super().__init__("DYDX", instruments, {self.account: Decimal(cash)})
        self.holders = {ADDRESS: Holder(7)}
        self.next_authenticator = 0
        self.add_authenticator(ADDRESS, *trading_authenticator())
        self.height = 1_000
        self.time_ns = time.time_ns()
        self.seen: list[Any] = []
        """Messages that have passed CheckTx, with their kinds."""
        self.recs: dict[str, Rec] = {}
        self.mempool: list[tuple[str, Any]] = []
        self.fills: list[dict[str, Any]] = []
        self.payments: list[dict[str, Any]] = []
        self.fresh: list[tuple[Rec | None, dict[str, Any] | None]] = []
        self._coming: list[VenueEvent] = []
        self._ends: dict[int, list[Rec]] = {}
        """Short-term orders by the last block in which they may fill."""
        self.committed = self.books(self.account)

    def __getstate__(self) -> dict[str, Any]:
        """A node that is stopped forgets what no block has brought."""
        return vars(self) | {"seen": [], "mempool": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A chain that was kept before there were authenticators gets those of a new one."""
        fresh = {} if "next_authenticator" in state else {"holders": {ADDRESS: Holder(7)}, "next_authenticator": 0}
        vars(self).update({"_ends": {}} | state | fresh)
        if fresh:
            self.add_authenticator(ADDRESS, *trading_authenticator())

    # CheckTx

    def check_tx(self, raw: bytes) -> Checked:
        """What the node says of a transaction that it has received."""
        try:
            sent = admitted(self.holders, raw)
        except Refused as refused:
            return refused.checked
        kind, message, holder, nonce = sent.kind, sent.message, sent.holder, sent.nonce
        order_id = message.order.order_id if kind == PLACE else message.order_id if kind == CANCEL else None
        is_short = kind == BATCH_CANCEL or (order_id is not None and order_id.order_flags == SHORT_TERM)
        if not is_short:
            problem = holder.nonce_problem(nonce, self.time_ns // MS)
            if problem:
                return 32, "sdk", f"{problem}: incorrect account sequence"
        is_counted = is_short or kind == PLACE
        if is_counted and not holder.may_send("short" if is_short else "stateful", self.height):
            return 5001, "clob", "Rate of requests exceeds configured block rate limit: Block rate limit exceeded"
        if kind == PLACE:
            answer = self._check_place(message.order)
        elif kind == CANCEL:
            answer = self._check_cancel(message)
        else:
            answer = self._batch_cancel(message) if kind == BATCH_CANCEL else (0, "", "[]")
        if not answer[0]:
            self.seen.append((kind, message, nonce))
            if not is_short:
                self.mempool.append((kind, message))
        return answer

    def _key(self, order_id: Any) -> OrderKey:
        owner = order_id.subaccount_id
        return OrderKey(owner.owner, owner.number, order_id.client_id, order_id.order_flags, order_id.clob_pair_id)

    def _check_place(self, order: Any) -> Checked:
        key = self._key(order.order_id)
        problem = self._ill_formed(order, key)
        if problem is not None:
            return problem
        rec = self._rec(order, key)
        known = self.recs.get(key.uuid)
        if key.flags == SHORT_TERM:
            return self._place_short(order, rec, known)
        now_s = self.time_ns // 10**9
        if order.good_til_block_time <= now_s:
            return 3003, "clob", "The block time is greater than the GoodTilBlockTime of the message"
        if order.good_til_block_time > now_s + MAX_STATEFUL_S:
            return 3004, "clob", "The GoodTilBlockTime of the message is further than StatefulOrderTimeWindow"
        if known is not None:
            code = 3009 if known.status in {"CANCELED", "FILLED"} else 3005
            return code, "clob", "Existing stateful order has higher-or-equal priority than the new one"
        equity = float(self.equity())
        allowed = max(limit for needed, limit in TIERS if needed <= equity)
        if sum(1 for r in self.recs.values() if r.key.flags and r.status in {"OPEN", "UNTRIGGERED"}) >= allowed:
            return 10001, "clob", f"Opening order would exceed equity tier limit of {allowed}"
        if not order.reduce_only and not self._affords(rec):
            return 3007, "clob", "Stateful order collateralization check failed"
        return 0, "", "[]"

    def _ill_formed(self, order: Any, key: OrderKey) -> Checked | None:
        found = self.markets.get(key.pair)
        if found is None:
            return 8, "clob", f"Invalid clob pair id {key.pair}: ClobPair ID does not reference a valid CLOB"
        if order.quantums <= 0 or order.quantums % found.step_quantums:
            words = f"Order Quantums {order.quantums} must be a multiple of the ClobPair's StepBaseQuantums"
            return 4, "clob", f"{words}: Invalid order quantums"
        if order.subticks <= 0 or order.subticks % found.tick_subticks:
            words = f"Order subticks {order.subticks} must be a multiple of the ClobPair's SubticksPerTick"
            return 6, "clob", f"{words}: Invalid order subticks"
        return self._ill_kind(order, key)

    def _ill_kind(self, order: Any, key: OrderKey) -> Checked | None:
        if order.time_in_force == 3:
            return 48, "clob", "fill-or-kill has been deprecated: This field has been deprecated"
        if key.flags not in {SHORT_TERM, CONDITIONAL, LONG_TERM}:
            return 3000, "clob", f"invalid order flag {key.flags}: Invalid order flags"
        if key.flags == LONG_TERM and order.time_in_force == chain.IOC:
            return 3002, "clob", "Stateful orders cannot require immediate execution"
        if order.reduce_only and order.time_in_force != chain.IOC:
            return 9003, "clob", "Reduce-only is currently disabled for non-IOC orders"
        if key.flags == CONDITIONAL and not (order.condition_type and order.conditional_order_trigger_subticks):
            return 6001, "clob", "Conditional order trigger subticks is invalid"
        if key.flags != CONDITIONAL and order.condition_type:
            return 6000, "clob", "condition type specified for non-conditional order: Conditional type is invalid"
        return None

    def _rec(self, order: Any, key: OrderKey) -> Rec:
        found = self.markets[key.pair]
        instrument = found.instrument
        kinds = {chain.UNSPECIFIED: OrderKind.LIMIT, chain.IOC: OrderKind.IOC, chain.POST_ONLY: OrderKind.POST_ONLY}
        conditions = {chain.STOP_LOSS: OrderKind.STOP, chain.TAKE_PROFIT: OrderKind.TAKE_PROFIT}
        trigger = order.conditional_order_trigger_subticks // found.tick_subticks * instrument.tick
        place = Place(
            cid=key.uuid,
            account=f"{key.address}/{key.subaccount}",
            instrument=instrument.id,
            side=BUY if order.side == 1 else SELL,
            kind=conditions.get(order.condition_type, kinds[order.time_in_force]),
            qty=order.quantums // found.step_quantums * instrument.lot,
            price=order.subticks // found.tick_subticks * instrument.tick,
            trigger=trigger,
            reduce_only=order.reduce_only,
        )
        until = Until(
            order.good_til_block, order.good_til_block_time, order.time_in_force, order.client_metadata
        )  # fmt: skip
        return Rec(key, until, found, place, "BEST_EFFORT_OPENED", made_height=self.height)

    def _affords(self, rec: Rec) -> bool:
        floor, place = self.exchange.floor, rec.place
        account = floor.accounts[place.account]
        return affords(floor, account, floor.markets[place.instrument], place.side, place.qty, place.price)

    def _place_short(self, order: Any, rec: Rec, known: Rec | None) -> Checked:
        if order.good_til_block <= self.height:
            words = f"GoodTilBlock {order.good_til_block} is less than the current blockHeight {self.height + 1}"
            return 10, "clob", f"{words}: The next block height is greater than the GoodTilBlock of the message"
        if order.good_til_block > self.height + SHORT_BLOCK_WINDOW:
            words = f"The GoodTilBlock {order.good_til_block} exceeds the current blockHeight + ShortBlockWindow"
            return 11, "clob", f"{words}: The GoodTilBlock of the message is further than ShortBlockWindow blocks"
        if known is not None and known.wire.good_til_block >= order.good_til_block:
            return 20, "clob", "An order with the same `OrderId` already exists for this CLOB"
        self.recs[rec.id] = rec
        refused = next((e for e in self._submit(rec.place) if isinstance(e, Rejected)), None)
        if refused is not None:
            del self.recs[rec.id]
            if refused.text.startswith("reduce-only"):
                return 2001, "clob", "Reduce-only orders cannot increase the position size"
            return 2003 if refused.text.startswith("post-only") else 1006, "clob", refused.text
        self._ends.setdefault(order.good_til_block, []).append(rec)
        self.fresh.append((rec, None))
        return 0, "", "[]"

    def _check_cancel(self, cancel: Any) -> Checked:
        key = self._key(cancel.order_id)
        rec = self.recs.get(key.uuid)
        if key.flags == SHORT_TERM:
            if not self.height < cancel.good_til_block <= self.height + SHORT_BLOCK_WINDOW:
                return 11, "clob", "The GoodTilBlock of the message is further than ShortBlockWindow blocks"
            if rec is not None and rec.status == "BEST_EFFORT_OPENED":
                self._submit(Cancel(cid=rec.id, account=rec.place.account, instrument=rec.place.instrument))
            return 0, "", "[]"
        is_coming = any(kind == PLACE and self._key(m.order.order_id) == key for kind, m in self.mempool)
        if rec is None and not is_coming:
            return 3006, "clob", f"Stateful order id {key.uuid} does not exist: Stateful order does not exist"
        if rec is not None and rec.status in {"CANCELED", "FILLED"}:
            return 3010, "clob", "Stateful order cancellation failed because the order was already removed from state"
        if rec is not None and cancel.good_til_block_time < rec.wire.good_til_block_time:
            return 29, "clob", "cancellation goodTilBlockTime less than stateful order goodTilBlockTime"
        return 0, "", "[]"

    def _batch_cancel(self, batch: Any) -> Checked:
        for part in batch.short_term_cancels:
            for client_id in part.client_ids:
                owner = batch.subaccount_id
                key = OrderKey(owner.owner, owner.number, client_id, SHORT_TERM, part.clob_pair_id)
                rec = self.recs.get(key.uuid)
                if rec is not None and rec.status == "BEST_EFFORT_OPENED":
                    self._submit(Cancel(cid=rec.id, account=rec.place.account, instrument=rec.place.instrument))
        return 0, "", "[]"

    # matching and blocks

    def digest(self, events: list[VenueEvent]) -> None:
        """What has been matched; fills wait for the next block."""
        for event in events:
            if isinstance(event, Filled | FundingPaid):
                self._coming.append(event)
            rec = self.recs.get(getattr(event, "cid", ""))
            if rec is None or not isinstance(event, Cancelled):
                continue
            if rec.key.flags == SHORT_TERM:
                rec.status = "BEST_EFFORT_CANCELED"
                rec.removal = "ORDER_REMOVAL_REASON_IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK"
                if rec.place.kind is not OrderKind.IOC:
                    rec.removal = "ORDER_REMOVAL_REASON_USER_CANCELED"
            else:
                rec.status, rec.removal = "CANCELED", "ORDER_REMOVAL_REASON_USER_CANCELED"
            self.fresh.append((rec, None))

    def produce(self) -> None:
        """One block: what was matched before it is on the chain now, and stateful orders come into the book."""
        self.height += 1
        self.time_ns = self.now_ns()
        coming, self._coming = self._coming, []
        for event in coming:
            if isinstance(event, Filled):
                self._fill(event)
            elif isinstance(event, FundingPaid):
                self._pay(event)
        self._expire()
        self.committed = self.books(self.account)
        mempool, self.mempool = self.mempool, []
        for kind, message in mempool:
            if kind == PLACE:
                self._deliver(message.order)
            elif kind == ADD:
                self.add_authenticator(message.sender, message.authenticator_type, message.data)
            elif kind == CANCEL:
                rec = self.recs.get(self._key(message.order_id).uuid)
                if rec is not None and rec.status in {"OPEN", "UNTRIGGERED"}:
                    self._submit(Cancel(cid=rec.id, account=rec.place.account, instrument=rec.place.instrument))

    def add_authenticator(self, address: str, kind: str, config: bytes) -> int:
        """A new one of an account; ids are the chain's."""
        number = self.next_authenticator
        self.next_authenticator += 1
        self.holders[address].authenticators[number] = (kind, config)
        return number

    def _deliver(self, order: Any) -> None:
        rec = self._rec(order, self._key(order.order_id))
        self.recs[rec.id] = rec
        rec.status = "UNTRIGGERED" if rec.key.flags == CONDITIONAL else "OPEN"
        self.fresh.append((rec, None))
        refused = next((e for e in self._submit(rec.place) if isinstance(e, Rejected)), None)
        if refused is not None:
            word = "POST_ONLY_WOULD_CROSS_MAKER_ORDER" if "post-only" in refused.text else "UNDERCOLLATERALIZED"
            rec.status, rec.removal = "CANCELED", f"ORDER_REMOVAL_REASON_{word}"
            self.fresh.append((rec, None))

    def _expire(self) -> None:
        ended = [rec for block in sorted(self._ends) if block < self.height for rec in self._ends.pop(block)]
        for rec in ended:
            if self.recs.get(rec.id) is not rec:
                continue  # another one has its id
            if rec.status == "BEST_EFFORT_OPENED":
                self._submit(Cancel(cid=rec.id, account=rec.place.account, instrument=rec.place.instrument))
                rec.removal = "ORDER_REMOVAL_REASON_EXPIRED"
            if rec.status == "BEST_EFFORT_CANCELED":
                rec.status = "CANCELED"
                if not rec.filled:
                    del self.recs[rec.id]  # nothing of it was ever on the chain

    def _fill(self, event: Filled) -> None:
        rec = self.recs.get(event.cid)
        number = len(self.fills)
        found = next(m for m in self.markets.values() if m.instrument.id == event.instrument)
        instrument = found.instrument
        fill = {
            "id": f"00000000-0000-4000-8000-{number:012x}",
            "side": "BUY" if event.side > 0 else "SELL",
            "liquidity": "TAKER" if event.liquidity is Liquidity.TAKER else "MAKER",
            "type": "LIQUIDATED" if event.liquidation else "LIMIT",
            "market": found.ticker,
            "clobPairId": str(found.pair),
            "price": instrument.price_text(event.price),
            "size": instrument.qty_text(event.qty),
            "fee": f"{event.fee:f}",
            "createdAtNs": self.time_ns,
            "createdAtHeight": str(self.height),
            "orderId": rec.id if rec is not None else None,
            "clientMetadata": str(rec.wire.client_metadata) if rec is not None else "0",
            "account": event.account,
        }
        self.fills.append(fill)
        if rec is not None:
            rec.filled += event.qty
            if rec.filled >= rec.place.qty:
                rec.status = "FILLED"
        self.fresh.append((rec, fill))

    def _pay(self, event: FundingPaid) -> None:
        found = next(m for m in self.markets.values() if m.instrument.id == event.instrument)
        self.payments.append({"ticker": found.ticker, "payment": f"{event.amount:f}", "createdAtNs": self.time_ns})

    def equity(self, books: Books | None = None) -> Decimal:
        """Of the one account, as of the last block."""
        return super().equity(books or self.committed)
