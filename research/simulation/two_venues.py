"""Two simulated venues and one strategy with a backup: its own venue dies in the middle of everything, and comes back.

The real core, kernel, recovery and two paper exchanges in virtual time. Requests to ALPHA vanish, its answers are lost,
its connection drops or its prices stop, for a while that the seed draws; then it returns. Each venue's door judges
every order by that venue's own books (`door`), and here both are judged together: never more than the one target.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, Self

from msgspec.structs import replace

from domain import events as e
from domain.account import venue_of
from domain.breakers import BreakerRule, BreakerSettings
from domain.commands import Actor, LoadStrategy
from domain.commands import Door as CommandDoor
from domain.facts import Alerted, Fact
from domain.instrument import Instrument
from domain.market import FeedState, FeedStatus, MarketEvent
from domain.order import Amend, Intent, OrderStatus, Place, Role
from domain.settings import (
    SECOND_NS,
    AccountSpec,
    ApprovalSettings,
    ExecutionSettings,
    FailoverSpec,
    Limits,
    RiskSettings,
    Settings,
    StrategySpec,
)
from engine.core.executor.exposure import net
from engine.core.journal.memory import MemoryJournal
from engine.core.kernel import Kernel
from engine.core.pairs import Pair
from engine.core.recovery import recover
from engine.core.state import State
from exchanges.paper.config import MILLISECOND_NS, FaultKind, FaultRule, PaperConfig
from exchanges.paper.exchange import PaperExchange
from research.simulation import cast, market, proof
from research.simulation.door import Door
from research.simulation.plan import BEGIN_NS
from research.simulation.violation import Violation, require
from research.simulation.watched import BUILD, WatchedCore
from research.simulation.wild import Wild
from risk.breaker import BLOCKING

OWN, BACKUP = "BTC-USDC-PERP.ALPHA", "BTC-USDT-PERP.BETA"
AT_OWN, AT_BACKUP = "ALPHA:main", "BETA:main"
CALM_NS = BEGIN_NS + 300 * SECOND_NS
MARKET_END_NS = BEGIN_NS + 405 * SECOND_NS
"""No market after this: what is on its way arrives before the end."""
END_NS = BEGIN_NS + 420 * SECOND_NS
FOREVER = 1 << 62


def settings(random: Random) -> Settings:
    """Two contracts of the same asset with other scales and lots; short cool-downs, so that a day has several."""
    common: dict[str, Any] = {"taker_fee": Decimal("0.00045"), "funding_interval_ns": 120 * SECOND_NS}
    own = Instrument(id=OWN, venue_symbol="BTC", price_decimals=1, qty_decimals=4, lot=random.choice((1, 10)), **common)
    other = Instrument(id=BACKUP, venue_symbol="BTCUSDT", price_decimals=1, qty_decimals=3, tick=5, **common)
    limits = Limits(max_position_notional=Decimal(15_000), max_order_notional=Decimal(15_000))
    wild: dict[str, Any] = {"seed": random.randrange(1 << 30), "size": 0.15, "act": 0.4, "targets": True}
    wild["quotes"] = random.random() < 0.3
    return Settings(
        instruments=(own, other),
        accounts=tuple(AccountSpec(id=name, deposit=Decimal(400_000)) for name in (AT_OWN, AT_BACKUP)),
        persons=cast.PERSONS,
        risk=RiskSettings(default_limits=limits, portfolio={"consecutive_losses": Decimal(10_000)}),
        approvals=ApprovalSettings(enabled=not wild["quotes"]),
        execution=ExecutionSettings(reconcile_every_ns=10 * SECOND_NS),
        breakers=BreakerSettings(exchange_failure=BreakerRule(cool_down_ns=random.choice((5, 20)) * SECOND_NS)),
        failover=(FailoverSpec(instrument=OWN, backup=BACKUP, account=AT_BACKUP, return_after_ns=10 * SECOND_NS),),
        strategies=(StrategySpec(id="wild", kind=Wild.kind, account=AT_OWN, instruments=(OWN,), params=wild),),
    )


def outages(random: Random, most: int) -> list[tuple[int, int]]:
    """When a venue is out, before the calm end of the day."""
    found: list[tuple[int, int]] = []
    for _ in range(most):
        begin = BEGIN_NS + int(random.uniform(20, 200) * SECOND_NS)
        found.append((begin, min(begin + int(random.uniform(8, 90) * SECOND_NS), CALM_NS - 20 * SECOND_NS)))
    return found


def faults(random: Random, spans: Sequence[tuple[int, int]]) -> tuple[FaultRule, ...]:
    """How the line to a venue fails while it is out."""
    rules: list[FaultRule] = []
    for begin, end in spans:
        kind = random.choice((FaultKind.DROP_INTENT, FaultKind.LOSE_ANSWER, FaultKind.DROP_EVENT, FaultKind.DISCONNECT))
        until, span = (begin + 5 * SECOND_NS, end - begin) if kind is FaultKind.DISCONNECT else (end, SECOND_NS)
        share = 1.0 if random.random() < 0.7 else 0.6
        rules.append(FaultRule(fault=kind, probability=share, from_ns=begin, until_ns=until, span_ns=span))
    return tuple(rules)


class TwoVenues:
    """One seed. `run` lives it through; the first broken invariant is in `rule` and `text`."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.settings = self._settings()
        self.now_ns = BEGIN_NS
        self.met: Counter[str] = Counter()
        self.rule = self.text = ""
        self.doors: dict[str, Door] = {}
        self.spans = {
            "ALPHA": outages(random, random.choice((1, 2))),
            "BETA": outages(random, random.choice((0, 0, 1))),
        }
        for account, spans in zip((AT_OWN, AT_BACKUP), self.spans.values(), strict=True):
            config = PaperConfig(
                venue=venue_of(account),
                seed=seed,
                jitter_ns=random.choice((0, 300)) * MILLISECOND_NS,
                faults=faults(random, spans),
            )
            listed = [i for i in self.settings.instruments if i.venue == venue_of(account)]
            exchange = PaperExchange(listed, {account: Decimal(400_000)}, config)
            self.doors[venue_of(account)] = Door(self.settings, exchange)
            self.doors[venue_of(account)].watches_disk = False
        self.agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self.dark: dict[str, int] = {}
        self.digest = ""
        self.journal = MemoryJournal()
        self.kernel = self._boot()

    def at(self, ts_ns: int, action: Callable[[], None]) -> None:
        """Do something at a time."""
        self._number += 1
        heapq.heappush(self.agenda, (ts_ns, self._number, action))

    def _settings(self) -> Settings:
        return settings(self.random)

    def run(self) -> Self:
        """Live through the day; afterwards `rule` is empty when every invariant held."""
        try:
            self._plan()
            self._begin()
            while self._next():
                pass
            self._finish()
        except Violation as violation:
            self.rule, self.text = violation.rule, str(violation)
        return self

    def _tape(self) -> Iterable[MarketEvent]:
        twins = (
            replace(self.settings.instruments[0], id=cast.BTC),
            replace(self.settings.instruments[1], id=cast.BTC2),
        )
        renamed = {cast.BTC: OWN, cast.BTC2: BACKUP}
        for event in market.day(self.random, twins, BEGIN_NS, MARKET_END_NS, stormy=False):
            event.instrument = renamed[event.instrument]
            yield event

    def _plan(self) -> None:
        for event in self._tape():
            self.at(event.ts_ns, partial(self._market, event))
        for venue, spans in self.spans.items():
            for begin, end in spans:
                if self.random.random() < 0.6:
                    self.at(begin + SECOND_NS, partial(self._dark, venue, end))
        for _ in range(self.random.choice((0, 0, 1, 2))):
            self.at(BEGIN_NS + int(self.random.uniform(10, 280) * SECOND_NS), self._crash)

    # the engine

    def _boot(self) -> Kernel:
        def make_core(state: State) -> WatchedCore:
            core = WatchedCore(state)
            core.make_code = cast.make_code
            return core

        core, _ = recover(self.journal, make_core, BUILD)
        if not isinstance(core, WatchedCore):
            raise TypeError(core)
        core.judge = self._judge
        for door in self.doors.values():
            door.core = core
        self.core = core
        return Kernel(core, self.journal, send=self._send, publish=self._hear)

    def _begin(self) -> None:
        epoch = self.core.state.epoch + 1
        first = self.settings if epoch == 1 else None
        self._ingest(
            e.EngineStarted(
                installation="two", epoch=epoch, build=BUILD, lock_hash="", settings_hash="s", settings=first
            )
        )
        if first is not None:
            for spec in self.settings.strategies:
                system = Actor(person="", door=CommandDoor.SYSTEM)
                self._ingest(e.CommandReceived(actor=system, command=LoadStrategy(spec=spec), request_id=spec.id))

    def _crash(self) -> None:
        self.met["crash"] += 1
        if self.random.random() < 0.5:
            self.kernel.snapshot()
        self.journal = self.journal.reopened()
        for door in self.doors.values():
            door.exchange.connect(keeps_requests=True)
        self.kernel = self._boot()
        self._begin()

    def _ingest(self, event: e.Event) -> None:
        event.ts_ns = self.now_ns
        for door in self.doors.values():
            door.tell(self.core, event, self.kernel.seq + 1)
        self.kernel.ingest(event)

    def _send(self, intents: Sequence[Intent]) -> None:
        for intent in intents:
            door = self.doors[venue_of(intent.account)]
            door.send(
                self.core, (intent,), self.now_ns, durable_seq=FOREVER, cause_of=self.core.cause_of, is_current=True
            )

    def _hear(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if isinstance(fact, Alerted):
                self.met[fact.kind] += 1
                require(fact.kind not in proof.IMPOSSIBLE, "no false alarm", fact.text)

    # what is judged

    def _judge(self, intent: Place | Amend) -> None:
        door = self.doors[venue_of(intent.account)]
        door.created(self.core, intent, self.now_ns)
        sent = door.sent[intent.cid]
        self.met[f"order at {venue_of(intent.account)}"] += 1
        pair = next(iter(self.core.pairs.values()), None)
        if pair is None or sent.place.reduce_only:
            return
        half = self.core.state.slots[sent.slot]
        bar = self.core.bar_of(half)
        held = self._worth(pair, sent.place.side, roles=frozenset())
        require(bar is None or not door.worst_side(sent.slot, sent.place.side, self.now_ns) > 0, "barred", f"{intent}")
        orders = [*pair.primary.orders.values(), *pair.backup.orders.values()]
        if sent.role is not Role.TARGET or any(order.role is Role.QUOTE for order in orders):
            return
        side = sent.place.side
        reach = self._worth(pair, side, roles=None)
        goal = (pair.primary.target or 0) * side
        slack = pair.ceil(pair.primary, 1) + self.core.instruments[OWN].lot
        text = f"{intent}: together they could reach {reach * side}, the target is {pair.primary.target}"
        require(reach <= max(goal, held, 0) + slack, "one target", text)

    def _worth(self, pair: Pair, side: int, roles: frozenset[Role] | None) -> int:
        """The furthest both halves can get on a side by the venues' own books, in the primary's scale."""
        total = 0
        for half in (pair.primary, pair.backup):
            door = self.doors[venue_of(half.account)]
            reach = door.worst_side(half.key, side, self.now_ns, roles=roles)
            total += reach if half is pair.primary else pair.ceil(pair.primary, reach)
        return total

    # the world

    def _market(self, event: MarketEvent) -> None:
        venue = event.instrument.partition(".")[2]
        self.doors[venue].exchange.on_market(event, self.now_ns)
        if self.now_ns >= self.dark.get(venue, 0):
            self._ingest(event)

    def _dark(self, venue: str, until_ns: int) -> None:
        self.dark[venue] = until_ns
        self.met["dark"] += 1
        self._ingest(FeedStatus(venue=venue, state=FeedState.STALE, detail="simulated"))

    def _next(self) -> bool:
        due = [door.exchange.next_due_ns or FOREVER for door in self.doors.values()]
        agenda_ns = self.agenda[0][0] if self.agenda else FOREVER
        wake_ns = max(self.kernel.wake_ns, self.now_ns) if self.kernel.wake_ns else FOREVER
        first = min(agenda_ns, wake_ns, *due)
        if first >= END_NS:
            return False
        self.now_ns = max(self.now_ns, first)
        if agenda_ns == first:
            heapq.heappop(self.agenda)[2]()
        elif wake_ns == first:
            self.kernel.tick(self.now_ns)
        else:
            for door in self.doors.values():
                for event in door.exchange.poll(self.now_ns):
                    self._ingest(event)
        return True

    def _finish(self) -> None:
        """After a calm time engine and venues agree, and nothing is unknown."""
        state = self.core.state
        for account in (AT_OWN, AT_BACKUP):
            instrument = OWN if account == AT_OWN else BACKUP
            floor = self.doors[venue_of(account)].floor
            ours, theirs = self.core.position(account, instrument), floor.accounts[account].qty(instrument)
            fills = sum(f.side * f.qty for f in self.doors[venue_of(account)].told_fills.values())
            require(ours == theirs == fills, "position = fills = venue", f"{account}: {ours}, {theirs}, {fills}")
        unknown = [
            o.cid for slot in state.slots.values() for o in slot.orders.values() if o.status is OrderStatus.UNKNOWN
        ]
        require(not unknown, "liveness", f"still unknown: {unknown}")
        open_still = [name for name, worst in self.core.narrowed.items() if worst in BLOCKING]
        require(not open_still, "liveness", f"a breaker is still open: {open_still}")
        self._note_end()
        self.digest = proof.check_replay(self.journal, self.core, with_code=self.random.random() < 0.5)

    def _note_end(self) -> None:
        """Back at its own venue; and count whether the day ended with what was wanted: the market may be too thin."""
        stands = self.core.state.failovers.get(OWN)
        require(stands is None or not stands.on_backup, "liveness", f"still at the backup: {stands}")
        for pair in list(self.core.pairs.values())[:1]:
            slot = pair.primary
            if slot.target is None or slot.quotes or slot.consumed == slot.entry:
                continue
            self.met["ended with a target"] += 1
            lot = self.core.instruments[OWN].lot + pair.ceil(slot, 1)
            self.met["ended at it"] += abs(slot.target - net(self.core, slot)) <= slot.band + lot
