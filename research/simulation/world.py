"""One simulated day-part: the real core, kernel and paper exchange in virtual time, and everything going wrong.

Order of equal times: agenda, venue, timers, market. The venue lives on true time, the engine on the
machine's clock, which jumps. A killed run is rebuilt by recovery from what the disk kept, in a new epoch,
against the same exchange.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from msgspec import Struct, field

from domain import events as e
from domain.commands import Actor, LoadStrategy
from domain.commands import Door as CommandDoor
from domain.facts import BreakerChanged, CommandDone, Fact, OverrideChanged, StrategyChanged, StrategyStatus
from domain.market import Bar, Mark, MarketEvent
from domain.settings import SECOND_NS
from engine.core.kernel import CLOCK_STEP_TOLERANCE_NS
from exchanges.paper.config import MILLISECOND_NS, PaperConfig
from exchanges.paper.exchange import PaperExchange
from research.simulation import books, market, plan, proof
from research.simulation.cast import is_thin, settings
from research.simulation.door import Door
from research.simulation.machine import LOST_TAIL, Machine
from research.simulation.people import Letter, People
from research.simulation.power import Power
from research.simulation.trace import Trace
from research.simulation.trouble import Trouble
from research.simulation.violation import Violation, require
from research.simulation.votes import Votes
from research.simulation.watched import WatchedKernel

MOST_EVENTS = 30_000
"""A day-part with more events than this is a storm of messages, which is a bug."""
FACTS_EVERY = 4
"""Every so many seeds the facts that were told are compared with those of a replay."""
NAKED_NS = 5 * SECOND_NS
"""In calm times a position may wait this long for its protection (the message budget may be used up)."""
FOREVER = 1 << 62
END_OF_TAPE = Mark(ts_ns=FOREVER, instrument="", price=0)
NEWS = (e.Filled, e.VenueSnapshot, e.Rejected, e.AmendRejected, e.SendDropped)
"""Events behind which the books are added up anew."""
SYSTEM = Actor(person="", door=CommandDoor.SYSTEM)


class Outcome(Struct, kw_only=True):
    """What became of one seed."""

    seed: int
    rule: str = ""
    """The broken invariant; empty when all held."""
    text: str = ""
    at_s: float = 0.0
    events: int = 0
    simulated_s: float = 0.0
    met: Counter[str] = field(default_factory=Counter)
    digest: str = ""


class World:
    """One seed. `run` lives it through; `wait_for_disk` False is for the experiment that proves the rule."""

    def __init__(self, seed: int, *, verbose: bool = False, wait_for_disk: bool = True, audits: bool = False) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.trace = Trace(enabled=verbose)
        self.audits = audits
        self.settings = settings(self.random)
        names = tuple(i.id for i in self.settings.instruments)
        self.plan = plan.draw(self.random, names)
        stormy = is_thin(self.settings)
        self.tape = market.day(self.random, self.settings.instruments, plan.BEGIN_NS, plan.END_NS, stormy=stormy)
        self._to_come = iter(self.tape)
        self._next_market: MarketEvent = next(self._to_come, END_OF_TAPE)
        self.bars = [event for event in self.tape if isinstance(event, Bar)]
        config = PaperConfig(
            seed=seed,
            feed_ns=10 * MILLISECOND_NS,
            entry_ns=20 * MILLISECOND_NS,
            response_ns=30 * MILLISECOND_NS,
            jitter_ns=self.random.choice((0, 30, 400)) * MILLISECOND_NS,
            faults=self.plan.rules,
        )
        deposits = {account.id: account.deposit for account in self.settings.accounts}
        self.exchange = PaperExchange(self.settings.instruments, deposits, config)
        self.door = Door(self.settings, self.exchange)
        self.votes = Votes(self.settings)
        self.power = Power(self.settings, lambda: self.kernel.made if self.kernel is not None else ())
        self.door.limit_now = self.power.limit
        self.people = People(Random(seed + 1), self.settings.strategies)
        self.inbox = [
            Letter(SYSTEM, LoadStrategy(spec=spec), f"load:{spec.id}", 0) for spec in self.settings.strategies
        ]
        self.now_ns = plan.BEGIN_NS
        self.clock_offset_ns = 0
        self.machine = Machine(self, wait_for_disk=wait_for_disk)
        self.dark: dict[str, int] = {}
        self.agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self._warming: list[str] = []
        self.told: dict[tuple[int, int], Fact] = {}
        """Every fact that reached the world, by its number."""
        self.outcome = Outcome(seed=seed)
        self.quiet_points = 0
        self.naked_since: dict[str, int] = {}

    # the agenda

    def at(self, ts_ns: int, action: Callable[[], None]) -> None:
        """Do something at a true time."""
        self._number += 1
        heapq.heappush(self.agenda, (ts_ns, self._number, action))

    @property
    def kernel(self) -> WatchedKernel | None:
        """The engine that runs now."""
        return self.machine.kernel

    @property
    def clock_ns(self) -> int:
        """What the machine's clock says."""
        return self.now_ns + self.clock_offset_ns

    def run(self) -> Outcome:
        """Live through the day-part; the outcome says which invariant broke, if any."""
        outcome = self.outcome
        try:
            Trouble(self).schedule()
            while self._next():
                pass
            self._finish()
        except Violation as violation:
            outcome.rule, outcome.text = violation.rule, str(violation)
        except Exception as error:  # noqa: BLE001 - whatever the core raises is a finding
            outcome.rule, outcome.text = "no exception", f"{type(error).__name__}: {error}"
            self.trace.error(error)
        outcome.at_s = (self.now_ns - plan.BEGIN_NS) / SECOND_NS
        outcome.simulated_s = outcome.at_s
        self._count()
        return outcome

    def _next(self) -> bool:
        """Let the nearest thing happen; False at the end of the day."""
        happens, first = self._from_agenda, self.agenda[0][0] if self.agenda else FOREVER
        venue_ns, kernel = self.exchange.next_due_ns, self.machine.kernel
        if venue_ns and venue_ns < first:
            happens, first = self._poll, venue_ns
        wake_ns = kernel.core.wake_ns if kernel is not None else 0
        if wake_ns:
            wake_ns = max(wake_ns - self.clock_offset_ns, self.now_ns)
            if wake_ns < first:
                happens, first = self._tick, wake_ns
        if self._next_market.ts_ns < first:
            happens, first = self._from_tape, self._next_market.ts_ns
        if first >= plan.STOP_NS and (first >= plan.LAST_NS or self._is_quiet()):
            return False
        self.now_ns = max(self.now_ns, first)
        happens()
        return True

    def _from_agenda(self) -> None:
        heapq.heappop(self.agenda)[2]()

    def _tick(self) -> None:
        self.machine.alive(lambda kernel: kernel.tick(self.clock_ns))

    def _from_tape(self) -> None:
        event = self._next_market
        self._market(event)
        self._next_market = next(self._to_come, END_OF_TAPE)

    def _is_quiet(self) -> bool:
        return self.kernel is not None and books.line_is_idle(self.door) and books.engine_is_quiet(self.kernel)

    # one event into the engine

    def ingest(self, event: e.Event) -> None:
        """Hand one event to the engine at the machine's time, and judge what it does."""
        self.machine.alive(lambda kernel: self._ingest(kernel, event))

    def _ingest(self, kernel: WatchedKernel, event: e.Event) -> None:
        core = kernel.core
        event.ts_ns = self.clock_ns
        seq = kernel.seq + 1 + (event.ts_ns < core.state.ts_ns - CLOCK_STEP_TOLERANCE_NS)
        self.outcome.events += 1
        require(self.outcome.events < MOST_EVENTS, "no storm", f"{MOST_EVENTS} events")
        self.votes.before(core, event, seq)
        self.votes.resumed_by(event, seq)
        self.power.before(core, event)
        self.sync_halt()
        self.trace.event(self.now_ns, seq, event)
        is_news = isinstance(event, NEWS)
        if is_news:
            self.door.tell(core, event, seq)
        kernel.ingest(event)
        if is_news:
            books.check_fills(core, self.door)
        facts, kernel.made = kernel.made, []
        self.votes.after(core, event, facts)
        self.power.judge(core, event, facts, self.now_ns)
        self.sync_halt()
        for fact in facts:
            self._note(fact)
            if isinstance(fact, StrategyChanged) and fact.status is StrategyStatus.WARMING:
                self._warming.append(fact.strategy)
        self.trace.facts(facts)
        proof.judge_facts(self.door, facts, lost_tail=self.outcome.met[LOST_TAIL] > 0)
        while self._warming:
            self.warm(self._warming.pop(0))

    def _note(self, fact: Fact) -> None:
        """Count what breakers, overrides and incidents did."""
        if isinstance(fact, BreakerChanged):
            self.outcome.met[f"breaker {fact.name}: {fact.state}"] += 1
        elif isinstance(fact, OverrideChanged):
            self.outcome.met["override ended" if fact.ended else "override began"] += 1

    def sync_halt(self) -> None:
        """Let the door know what people have said last."""
        turns = self.votes.turns
        self.door.halted, self.door.held_back = (turns[-1].halted, turns[-1].held_back) if turns else (False, False)

    def warm(self, strategy: str) -> None:
        """Deliver a strategy's warm-up history."""
        kernel = self.kernel
        if kernel is None or strategy not in kernel.core.state.strategies:
            return
        spec = kernel.core.state.strategies[strategy].spec
        bars = market.history(spec.instruments[0], self.now_ns, self.bars, market.WARMUP_BARS)
        if spec.kind != "turtle":
            bars = ()
        self._ingest(kernel, e.History(strategy=strategy, bars=bars, complete=True))

    def publish(self, facts: Sequence[Fact]) -> None:
        """Facts reach the world: an answered command leaves its inbox, and all of them must replay."""
        for fact in facts:
            self.told[fact.seq, fact.index] = fact
            if isinstance(fact, CommandDone):
                self.inbox = [letter for letter in self.inbox if letter.request_id != fact.request_id]

    def retell(self, facts: list[Fact]) -> None:
        """Recovery tells facts again: under a number that was told before there is the same fact."""
        for fact in facts:
            before = self.told.setdefault((fact.seq, fact.index), fact)
            if before != fact:
                raise Violation("facts replay", f"{before} was told, {fact} is told now")

    # market and venue

    def _market(self, event: MarketEvent) -> None:
        true_ns = event.ts_ns
        self.exchange.on_market(event, true_ns)
        if self.dark.get(event.instrument, 0) <= true_ns:
            self.machine.haunt(event)
            self.ingest(event)
        self._maybe_agree()

    def _poll(self) -> None:
        for answer in self.exchange.poll(self.now_ns):
            self.ingest(answer)

    def _maybe_agree(self) -> None:
        """After the calm has set in, whenever nothing is on its way, everything must agree."""
        kernel = self.kernel
        if self.now_ns < plan.CALM_NS or kernel is None or not books.line_is_idle(self.door):
            return
        if not books.engine_is_quiet(kernel):
            return
        self.quiet_points += 1
        books.check_agreement(kernel, self.door)
        naked = books.unprotected(kernel, self.door)
        self.naked_since = {key: self.naked_since.get(key, self.now_ns) for key in naked}
        for key, since_ns in self.naked_since.items():
            require(self.now_ns - since_ns < NAKED_NS, "protected", naked[key])

    def redeliver(self) -> None:
        """What was not answered is delivered again."""
        waiting, self.inbox = self.inbox, []
        for letter in waiting:
            self.deliver(letter)

    # people

    def deliver(self, letter: Letter) -> None:
        """A command arrives at its door; it stays in the door's inbox until it is answered."""
        self.inbox.append(letter)
        self.ingest(
            e.CommandReceived(
                actor=letter.actor, command=letter.command, request_id=letter.request_id, sent_ts_ns=letter.sent_ns
            )
        )

    def forget_after(self, seq: int) -> None:
        """The process died, and the disk has nothing after `seq`; its line is cut, what it had sent may arrive."""
        self.exchange.connect(keeps_requests=self.random.random() < 0.5)
        self._warming.clear()
        self.door.forget_after(seq)
        self.votes.forget_after(seq)
        self.power.forget_after(seq)
        undone = [fact for number, fact in self.told.items() if number[0] > seq]
        require(not undone, "told only what is on disk", f"the disk keeps up to {seq}, but this was told: {undone[:1]}")

    # the end

    def _finish(self) -> None:
        kernel = self.kernel
        if kernel is None:
            raise Violation("liveness", "the process is down at the end of the day")
        proof.finish(kernel, self.door, flattened=self.plan.flattens, quiet_points=self.quiet_points)
        self.outcome.digest = proof.check_replay(
            self.machine.journal,
            kernel.core,
            with_code=(True, False)[self.seed % 2],
            told=self.told if self.seed % FACTS_EVERY == 0 else None,
        )
        if self.audits:
            proof.check_audit(self.machine.journal)

    def _count(self) -> None:
        met, door = self.outcome.met, self.door
        met["orders"] += door.orders
        met["fills"] += door.fills
        met["liquidation fills"] += len(door.liquidations)
        met["quiet points"] += self.quiet_points
        for fault, count in self.exchange.fault_counts.items():
            met[f"line: {fault}"] += count
