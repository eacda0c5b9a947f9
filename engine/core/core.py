"""`Core`: the state plus what a step needs at hand, and the verbs every part of a step speaks.

A step appends to `intents` (for the venue), `facts` (for the world) and `decisions` (for the journal);
the kernel takes them away after each event. No clock, randomness, I/O or await here or below.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from msgspec import Struct

from domain import facts
from domain.account import venue_of
from domain.codec import encode
from domain.desired import Style
from domain.events import Decided
from domain.facts import TradingState
from domain.instrument import AccountId, Instrument, InstrumentId
from domain.market import Feed, FeedKind
from domain.order import ClientId, Intent, Order, derive_client_id
from domain.settings import StrategySpec
from domain.strategy import Strategy
from domain.verdict import Reason
from engine.core import legs, pairs
from engine.core.pairs import Pair
from engine.core.parts import Parts
from engine.core.state import Market, Slot, SlotKey, State, VenueState, slot_key
from engine.core.tally import Tally
from engine.core.view import StrategyView
from risk.breaker import BreakerState, part_of
from risk.gate import PPM
from risk.limits import MONEY_DECIMALS

if TYPE_CHECKING:
    from engine.core.limits import Limits

ACTIVE, REDUCING = TradingState.ACTIVE, TradingState.REDUCING
ONE = Decimal(1)
AnyStrategy: TypeAlias = Strategy[Any, Any]


class Prepared(NamedTuple):
    """A strategy that has shown what the core needs of it: no code of a user's is run to attach it."""

    code: AnyStrategy
    feeds: tuple[Feed, ...]
    warmup: int
    memory: Struct


Contain: TypeAlias = Callable[[Callable[[], Prepared]], Prepared]


class Core:
    """State and working surface of the step. One per engine; single-threaded.

    `make_code` builds a strategy from its spec (None in a replay without code), under the watch of
    `contain`; `loaded` has what it made until that is attached, then `code` has it. `replayed` (only in
    replay without code) has the recorded decisions of the event at hand by number of the call, which `calls`
    counts. `known` (in recovery, and in replay with code) has records that stand whatever the code says now:
    above all a call that hung is not made again. With `all_known` a call without a record changed nothing.
    `failed` says what of the code could not be loaded, or run over what it saw, in recovery.
    """

    def __init__(self, state: State, *, facts_on: bool = True, gate_on: bool = True) -> None:
        """Wrap a state. `facts_on` False keeps what backtests read: fills, funding, refusals, alerts, strategies."""
        self.state = state
        self.facts_on = facts_on
        self.gate_on = gate_on
        self.instruments: dict[InstrumentId, Instrument] = {}
        self.code: dict[str, AnyStrategy] = {}
        self.loaded: dict[str, Prepared] = {}
        self.failed: dict[str, str] = {}
        self.make_code: Callable[[StrategySpec], AnyStrategy] | None = None
        self.contain: Contain = lambda work: work()
        self.replayed: dict[int, Decided] | None = None
        self.known: dict[int, Decided] = {}
        self.all_known = False
        self.known_before = 0
        """In a recovery: calls before this one have been made, whether their outcome is recorded or not."""
        self.calls = 0
        self.intents: list[Intent] = []
        self.facts: list[facts.Fact] = []
        self.decisions: list[Decided] = []
        self.wake_ns = min(state.timers.values(), default=0)
        self.bar_readers: dict[tuple[InstrumentId, int], list[StrategyView]] = {}
        self.bbo_readers: dict[InstrumentId, list[StrategyView]] = {}
        self.book_readers: dict[InstrumentId, list[StrategyView]] = {}
        self.trade_readers: dict[InstrumentId, list[StrategyView]] = {}
        self.views: dict[str, StrategyView] = {}
        self.followers: dict[SlotKey, list[Slot]] = {}
        self.chasing: dict[InstrumentId, list[Slot]] = {}
        self.parts = Parts(state)
        self.narrowed = self.parts.venues
        """Venues of which a connection breaker is not closed, with the worst of their states."""
        self.pairs: dict[SlotKey, Pair] = {}
        """Both slots of every fail-over pair that a loaded strategy has."""
        self.barred: dict[SlotKey, None] = {}
        """The half of every pair that may not add risk now."""
        self.fed: dict[InstrumentId, Pair] = {}
        """Instruments whose owner looks at the backup's market now."""
        self.legs: dict[SlotKey, tuple[Slot, ...]] = {}
        """The slots of a strategy at its other venues (`engine.core.legs`)."""
        self.highs: dict[int, tuple[int, Decimal]] = {}
        """Highest equity by length of the window, and the newest sample it was looked for with (`samples`)."""
        self.limits: dict[SlotKey, Limits] = {}
        """What `engine.core.limits` has put together for a slot."""
        self.units: dict[InstrumentId, int] = {}
        """`Instrument.unit` as `risk.limits.money`."""
        self.maintenance: dict[InstrumentId, int] = {}
        """Maintenance margin of a contract in parts per million."""
        self.assets: dict[InstrumentId, tuple[str, list[InstrumentId]]] = {}
        """The asset of a contract, and every contract of that asset."""
        self.refresh()

    def refresh(self) -> None:
        """Recompute what is derived from the settings; call after they changed or a snapshot was loaded."""
        settings = self.state.settings
        # in place: views and projections keep a reference
        self.instruments.clear()
        self.instruments.update({i.id: i for i in settings.instruments})
        self.markets: dict[InstrumentId, Market] = self.state.markets
        for instrument in self.instruments:
            if instrument not in self.markets:
                self.markets[instrument] = Market()
        self.parts.watch_markets()
        self.ended = deque(self.state.closed)
        """Ids of `State.closed`, oldest first: a dictionary steps over the holes of all that it has lost to find its
        own. Kept by whatever puts in or takes out (`orders.close`, `orders.reopen`)."""
        self.slippage_ppm = int(settings.execution.slippage * PPM)
        self.widening_ppm = int(settings.execution.quote_widening * PPM)
        self.limits.clear()
        self.index_assets()
        self.recount()
        self.persons = {p.id: p for p in settings.persons}
        self.index_slots()
        self.index_breakers()
        self.index_pairs()

    def readers(self, feed: Feed) -> list[StrategyView]:
        """Who is woken by a feed, in order of loading; bars by their interval."""
        if feed.kind is FeedKind.BAR:
            return self.bar_readers.setdefault((feed.instrument, feed.interval_ns), [])
        if feed.kind is FeedKind.BBO:
            return self.bbo_readers.setdefault(feed.instrument, [])
        if feed.kind is FeedKind.BOOK:
            return self.book_readers.setdefault(feed.instrument, [])
        return self.trade_readers.setdefault(feed.instrument, [])

    def forget_reader(self, strategy_id: str) -> None:
        """Wake a strategy no more."""
        ticks = (*self.bbo_readers.values(), *self.book_readers.values(), *self.trade_readers.values())
        for views in (*ticks, *self.bar_readers.values()):
            views[:] = [view for view in views if view.id != strategy_id]

    def index_assets(self) -> None:
        """Recompute what the sums of worst sides need of the contracts."""
        self.units = {i.id: int(i.unit.scaleb(MONEY_DECIMALS)) for i in self.instruments.values()}
        self.maintenance = {i.id: int(i.maintenance_margin * PPM) for i in self.instruments.values()}
        alike: dict[str, list[InstrumentId]] = {}
        for instrument in self.instruments.values():
            alike.setdefault(instrument.base, []).append(instrument.id)
        self.assets = {i.id: (i.base, alike[i.base]) for i in self.instruments.values()}

    def recount(self) -> None:
        """Count every worst side anew; call after positions, orders or owners changed by no event of theirs."""
        self.tally = Tally()
        self.tally.dirty.update(dict.fromkeys(self.state.slots))

    def index_slots(self) -> None:
        """Recompute which slots follow a lead leg or the touch; call after a review changed one of those."""
        self.followers = {}
        self.chasing = {}
        for slot in self.state.slots.values():
            if slot.hedge_lead:
                self.followers.setdefault(self.lead_of(slot).key, []).append(slot)
            if slot.style is Style.PASSIVE and slot.target is not None:
                self.chasing.setdefault(slot.instrument, []).append(slot)

    def index_breakers(self) -> None:
        """Recompute what breakers leave of the normal size; call after one changed its state."""
        self.parts.index()
        self._index_bars()

    def index_pairs(self) -> None:
        """Recompute what belongs together; call after owners, settings, a fail-over or the slots changed."""
        self.traded: dict[str, tuple[StrategySpec, dict[InstrumentId, Slot]]] = {}
        """The slots of what each strategy trades, and the spec they were looked up for (`engine.core.review`)."""
        pairs.index(self)
        legs.index(self)
        self._index_bars()

    def _index_bars(self) -> None:
        """Recompute whether `bar_of` has to look: a breaker is not closed, or there is a pair or a leg."""
        self.has_bars = bool(self.narrowed or self.parts.scopes or self.barred or self.legs)

    def trading_of(self, slot: Slot) -> TradingState:
        """The trading state for one slot: nothing that adds risk where a breaker is open or a half is barred."""
        trading = self.state.accounts[slot.account].trading
        return REDUCING if self.has_bars and trading is ACTIVE and self.bar_of(slot) is not None else trading

    def bar_of(self, slot: Slot) -> Reason | None:
        """Why nothing that adds risk may go to a slot although trading is on; None = it may."""
        if not self.has_bars:
            return None
        if (self.narrowed or self.parts.scopes) and not self.parts.of(slot):
            return Reason.BREAKER_OPEN
        if slot.key in self.barred:
            return Reason.FAILED_OVER
        return Reason.LEG_OUT if self.legs and legs.one_out(self, slot) else None

    def size_fraction(self, slot: Slot) -> Decimal:
        """The part of its normal size that breakers leave what adds risk in a slot: 1 = all of it, 0 = nothing."""
        part = self.parts.of(slot)
        return legs.least(self, slot, part) if self.legs else part

    def part(self, slot: Slot, qty: int, *, alone: bool = False) -> int:
        """What breakers leave of a quantity that adds risk, in whole lots: all of it while all is well.

        Never less than the venue takes: an order that cannot be sent would prove nothing. `alone`: whatever holds for
        its legs.
        """
        fraction = self.parts.of(slot) if alone else self.size_fraction(slot)
        if fraction == ONE:
            return qty
        instrument = self.instruments[slot.instrument]
        least = instrument.least_qty(self.markets[slot.instrument].reference())
        return part_of(qty, fraction, lot=instrument.lot, least=least)

    def is_probing(self, slot: Slot) -> bool:
        """True while a connection breaker of the slot's venue is half open, and none is open."""
        return bool(self.narrowed) and self.narrowed.get(venue_of(slot.account)) is BreakerState.HALF_OPEN

    def is_reduced(self, slot: Slot) -> bool:
        """True while any breaker leaves a part of the size."""
        return bool(self.narrowed or self.parts.scopes) and self.size_fraction(slot) < ONE

    def slot(self, account: AccountId, instrument: InstrumentId) -> Slot:
        """The slot of an account and instrument, made on first use."""
        key = slot_key(account, instrument)
        slot = self.state.slots.get(key)
        if slot is None:
            slot = self.state.slots[key] = Slot(key, account, instrument)
        return slot

    def account_of(self, slot: Slot, instrument: InstrumentId) -> AccountId:
        """The account on which the owner of a slot trades an instrument."""
        owner = self.state.strategies.get(slot.owner)
        return owner.spec.account_of(instrument) if owner is not None else slot.account

    def lead_of(self, slot: Slot) -> Slot:
        """The slot whose fills this one follows."""
        return self.slot(self.account_of(slot, slot.hedge_lead), slot.hedge_lead)

    def venue(self, name: str) -> VenueState:
        """What is known of a venue, made on first use."""
        found = self.state.venues.get(name)
        if found is None:
            found = self.state.venues[name] = VenueState()
        return found

    def position(self, account: AccountId, instrument: InstrumentId) -> int:
        """Filled position, signed, in integer scale."""
        held = self.state.accounts[account].positions.get(instrument)
        return held.qty if held is not None else 0

    def order(self, cid: ClientId) -> tuple[Slot, Order] | None:
        """A working order and its slot, None when it is not working."""
        key = self.state.where.get(cid)
        if key is None:
            return None
        slot = self.state.slots[key]
        return slot, slot.orders[cid]

    def next_client_id(self) -> ClientId:
        """Derived id of the next order placed by this event."""
        state = self.state
        state.orders_placed += 1
        return derive_client_id(state.installation, state.epoch, state.seq, state.orders_placed)

    def emit(self, intent: Intent) -> None:
        """Send an intent out, and into the chain that replay must reproduce."""
        self.intents.append(intent)
        state = self.state
        state.effects_hash = sha256(state.effects_hash + encode(intent)).digest()

    def set_timer(self, name: str, at_ns: int) -> None:
        """Be woken by a Tick at `at_ns`; the same name replaces the earlier time."""
        timers, first_ns = self.state.timers, self.wake_ns
        before_ns = timers.get(name)
        timers[name] = at_ns
        if not first_ns or at_ns < first_ns:
            self.wake_ns = at_ns
        elif before_ns == first_ns:
            self.wake_ns = min(timers.values())

    def set_timer_once(self, name: str, at_ns: int) -> None:
        """Like `set_timer`, but an earlier time that is already set stays."""
        if at_ns < self.state.timers.get(name, at_ns + 1):
            self.set_timer(name, at_ns)

    def drop_timer(self, name: str) -> None:
        """Forget a timer."""
        timers = self.state.timers
        if timers.pop(name, None) == self.wake_ns:
            self.wake_ns = min(timers.values(), default=0)

    def at(self) -> dict[str, int]:
        """seq, index and ts_ns for the next fact."""
        return {"seq": self.state.seq, "index": len(self.facts), "ts_ns": self.state.ts_ns}

    def alert(self, severity: facts.Severity, kind: str, text: str, **labels: str) -> None:
        """Tell people something they should know; kind and `labels` name what it is."""
        self.facts.append(facts.Alerted(**self.at(), severity=severity, kind=kind, text=text, labels=labels))

    def refuse(self, slot: Slot, reason: Reason, detail: str = "") -> None:
        """Publish a refusal once; the same refusal of the same slot is not repeated."""
        if slot.refused == reason.value:
            return
        slot.refused, slot.refused_detail = reason.value, detail
        self.facts.append(
            facts.Refused(**self.at(), strategy=slot.owner, instrument=slot.instrument, reason=reason, detail=detail)
        )

    def order_changed(self, slot: Slot, order: Order) -> None:
        """An order has another size, price or end: its slot is counted anew, and it is published."""
        self.tally.dirty[slot.key] = None
        if self.facts_on:
            self.tell_order(order)

    def tell_order(self, order: Order) -> None:
        """Publish an order as it now stands; called only with `facts_on`."""
        self.facts.append(
            facts.OrderChanged(
                seq=self.state.seq,
                index=len(self.facts),
                ts_ns=self.state.ts_ns,
                cid=order.cid,
                owner=order.owner,
                account=order.account,
                instrument=order.instrument,
                side=order.side,
                kind=order.kind,
                role=order.role,
                status=order.status,
                qty=order.qty,
                price=order.price,
                trigger=order.trigger,
                filled=order.filled,
                reduce_only=order.reduce_only,
                entry=order.entry,
                reason=order.reason,
                created_ns=order.created_ns,
            )
        )

    def equity(self, account: AccountId) -> Decimal:
        """Cash plus unrealised profit at the reference prices."""
        held = self.state.accounts[account]
        equity = held.cash
        for instrument, position in held.positions.items():
            if position.qty:
                mark = self.markets[instrument].reference()
                equity += position.unrealised(self.instruments[instrument], mark)
        return equity

    def equity_of(self, spec: StrategySpec) -> Decimal:
        """Equity of all accounts that a strategy trades on."""
        return sum([self.equity(account) for account in spec.all_accounts], start=Decimal(0))

    def share_of(self, strategy_id: str) -> Decimal:
        """Share of its accounts' equity that a strategy is sized by: 1 where nothing allocates and cuts."""
        state = self.state
        if not state.shares and not state.cuts:
            return ONE
        return state.shares.get(strategy_id, ONE) * state.cuts.get(strategy_id, ONE)

    def exposure(self, account: AccountId) -> Decimal:
        """Sum of |position value| of an account at the reference prices."""
        total = Decimal(0)
        for instrument, position in self.state.accounts[account].positions.items():
            if position.qty:
                total += abs(self.instruments[instrument].notional(self.markets[instrument].reference(), position.qty))
        return total

    def slots_of(self, owner: str) -> list[Slot]:
        """Slots that a strategy owns, in order of creation."""
        return [slot for slot in self.state.slots.values() if slot.owner == owner]


def by_key(slots: Mapping[SlotKey, Slot], account: AccountId) -> list[Slot]:
    """Slots of one account, in order of creation."""
    return [slot for slot in slots.values() if slot.account == account]
