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
from domain.commands import Actor, Door as CommandDoor, LoadStrategy
from domain.errors import JournalFull
from domain.facts import Fact, StrategyChanged, StrategyStatus
from domain.market import Bar, FeedState, FeedStatus, MarketEvent
from domain.order import Amend, Intent, Place
from domain.settings import SECOND_NS
from engine.core.core import Core
from engine.core.journal.memory import MemoryJournal
from engine.core.kernel import CLOCK_STEP_TOLERANCE_NS, Kernel
from engine.core.recovery import recover, state_hash
from engine.core.state import State
from exchanges.paper.config import MILLISECOND_NS, PaperConfig
from exchanges.paper.exchange import PaperExchange
from research.simulation import books, market, plan, proof
from research.simulation.cast import make_code, settings
from research.simulation.disk import DiskJournal
from research.simulation.door import Door
from research.simulation.people import Letter, People
from research.simulation.plan import Crash, Kill
from research.simulation.trace import Trace
from research.simulation.violation import Killed, Violation, require
from research.simulation.votes import Votes

BUILD = "simulation"
MOST_EVENTS = 30_000
"""A day-part with more events than this is a storm of messages, which is a bug."""
NAKED_NS = 5 * SECOND_NS
"""In calm times a position may wait this long for its protection (the message budget may be used up)."""
FOREVER = 1 << 62
LOST_TAIL = "crash: lost the unsynced tail"


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


class WatchedCore(Core):
    """A core that notes which event caused an intent, for the door to compare with the disk."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.causes: dict[tuple[str, int], int] = {}
        self.judge: Callable[[Place | Amend], None] | None = None
        """Looks at every order and amendment when it is made."""

    def emit(self, intent: Intent) -> None:
        """Send an intent out, and remember its cause."""
        if isinstance(intent, Place | Amend):
            self.causes[intent.cid, intent.amend_no if isinstance(intent, Amend) else 0] = self.state.seq
            if self.judge is not None:
                self.judge(intent)
        super().emit(intent)

    def cause_of(self, intent: Intent) -> int:
        """Sequence number of the event that caused an order or amendment."""
        if isinstance(intent, Place | Amend):
            return self.causes[intent.cid, intent.amend_no if isinstance(intent, Amend) else 0]
        return 0


def make_core(state: State) -> WatchedCore:
    """A core with the cast's code."""
    core = WatchedCore(state)
    core.make_code = make_code
    return core


class World:
    """One seed. `run` lives it through; `wait_for_disk` False is for the experiment that proves the rule."""

    def __init__(self, seed: int, *, verbose: bool = False, wait_for_disk: bool = True, audits: bool = False) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.trace = Trace(enabled=verbose)
        self.wait_for_disk = wait_for_disk
        self.audits = audits
        self.settings = settings(self.random)
        names = tuple(i.id for i in self.settings.instruments)
        self.plan = plan.draw(self.random, names)
        self.tape = market.day(self.random, self.settings.instruments, plan.BEGIN_NS, plan.END_NS)
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
        self.people = People(Random(seed + 1), self.settings.strategies)
        self.inbox: list[Letter] = []
        self.now_ns = plan.BEGIN_NS
        self.clock_offset_ns = 0
        self.kernel: Kernel | None = None
        self.zombie: Kernel | None = None
        self.journal = self._disk(MemoryJournal(hold=True))
        self.crash_armed: Crash | None = None
        self.runs = 0
        self.dark: dict[str, int] = {}
        self.agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self._warming: list[str] = []
        self._facts: list[Fact] = []
        self.outcome = Outcome(seed=seed)
        self.quiet_points = 0
        self.naked_since: dict[str, int] = {}

    # the agenda

    def at(self, ts_ns: int, action: Callable[[], None]) -> None:
        """Do something at a true time."""
        self._number += 1
        heapq.heappush(self.agenda, (ts_ns, self._number, action))

    def _write_agenda(self) -> None:
        plan_ = self.plan
        self.at(plan.BEGIN_NS, self.boot)
        for crash in plan_.crashes:
            self.at(crash.at_ns, lambda crash=crash: self._arm(crash))  # type: ignore[misc]
        for at_ns, offset in plan_.clock_jumps:
            self.at(at_ns, lambda offset=offset: self._jump(offset))  # type: ignore[misc]
        for outage in plan_.outages:
            self.at(outage.from_ns, lambda outage=outage: self._feed_down(outage))  # type: ignore[misc]
        for at_ns in plan_.disk_full_ns:
            self.at(at_ns, self._fill_disk)
        for at_ns in plan_.snapshots_ns:
            self.at(at_ns, self._snapshot)
        for at_ns in plan_.strategy_faults_ns:
            self.at(at_ns, self._strategy_fault)
        if plan_.overflow_ns:
            self.at(plan_.overflow_ns, self._overflow)
        if plan_.flattens:
            self.at(plan.FLATTEN_NS, self._flatten)
        self._people_next()

    def run(self) -> Outcome:
        """Live through the day-part; the outcome says which invariant broke, if any."""
        outcome = self.outcome
        try:
            self._write_agenda()
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
        agenda_ns = self.agenda[0][0] if self.agenda else FOREVER
        venue_ns = self.exchange.next_due_ns or FOREVER
        kernel = self.kernel
        wake_ns = FOREVER
        if kernel is not None and kernel.wake_ns:
            wake_ns = max(kernel.wake_ns - self.clock_offset_ns, self.now_ns)
        tape_ns = self.tape[self._tape_at].ts_ns if self._tape_at < len(self.tape) else FOREVER
        first = min(agenda_ns, venue_ns, wake_ns, tape_ns)
        if first >= plan.STOP_NS and (first >= plan.LAST_NS or self._is_quiet()):
            return False
        self.now_ns = max(self.now_ns, first)
        if agenda_ns == first:
            heapq.heappop(self.agenda)[2]()
        elif venue_ns == first:
            self._poll()
        elif wake_ns == first:
            self._alive(lambda k: k.tick(self.now_ns + self.clock_offset_ns))
        else:
            self._market(self.tape[self._tape_at])
            self._tape_at += 1
        return True

    _tape_at = 0

    def _is_quiet(self) -> bool:
        return self.kernel is not None and books.line_is_idle(self.door) and books.engine_is_quiet(self.kernel)

    # one event into the engine

    def _alive(self, action: Callable[[Kernel], None]) -> None:
        """Let the engine do something; it may be killed, or its disk be full."""
        kernel = self.kernel
        if kernel is None:
            return
        try:
            action(kernel)
        except Killed:
            self._die("killed")
        except JournalFull:
            self.outcome.met["disk full"] += 1
            self._die("disk full")

    def ingest(self, event: e.Event) -> None:
        """Hand one event to the engine at the machine's time, and judge what it does."""
        self._alive(lambda kernel: self._ingest(kernel, event))

    def _ingest(self, kernel: Kernel, event: e.Event) -> None:
        core = kernel.core
        event.ts_ns = self.now_ns + self.clock_offset_ns
        seq = kernel.seq + 1 + (event.ts_ns < core.state.ts_ns - CLOCK_STEP_TOLERANCE_NS)
        self.outcome.events += 1
        require(self.outcome.events < MOST_EVENTS, "no storm", f"{MOST_EVENTS} events")
        self.votes.before(event, seq)
        self.votes.resumed_by(event, seq)
        self._sync_halt()
        self.trace.event(self.now_ns, seq, event)
        is_news = isinstance(event, e.Filled | e.VenueSnapshot | e.Rejected | e.AmendRejected | e.SendDropped)
        if is_news:
            self.door.tell(core, event, seq)
        kernel.ingest(event)
        if is_news:
            books.check_fills(core, self.door)
        facts, self._facts = self._facts, []
        self.votes.after(core, event, facts)
        self._sync_halt()
        for fact in facts:
            if isinstance(fact, StrategyChanged) and fact.status is StrategyStatus.WARMING:
                self._warming.append(fact.strategy)
        self.trace.facts(facts)
        proof.judge_facts(self.door, facts, lost_tail=self.outcome.met[LOST_TAIL] > 0)
        while self._warming:
            self._warm(self._warming.pop(0))

    def _sync_halt(self) -> None:
        self.door.halted = self.votes.halted

    def _warm(self, strategy: str) -> None:
        kernel = self.kernel
        if kernel is None or strategy not in kernel.core.state.strategies:
            return
        spec = kernel.core.state.strategies[strategy].spec
        bars = market.history(spec.instruments[0], self.now_ns, self.bars, market.WARMUP_BARS)
        if spec.kind != "turtle":
            bars = ()
        self._ingest(kernel, e.History(strategy=strategy, bars=bars, complete=True))

    def _publish(self, facts: Sequence[Fact]) -> None:
        self._facts.extend(facts)

    def _sender(self, core: WatchedCore, journal: DiskJournal) -> Callable[[Sequence[Intent]], None]:
        def send(intents: Sequence[Intent]) -> None:
            self.trace.intents(intents)
            self.door.send(
                core,
                intents,
                self.now_ns,
                durable_seq=journal.durable_seq,
                cause_of=core.cause_of,
                is_current=self.kernel is not None and self.kernel.core is core,
            )

        return send

    # market and venue

    def _market(self, event: MarketEvent) -> None:
        true_ns = event.ts_ns
        self.exchange.on_market(event, true_ns)
        if self.dark.get(event.instrument, 0) <= true_ns:
            zombie = self.zombie
            if zombie is not None:
                self._haunt(zombie, event)
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

    # the disk

    def _disk(self, inner: MemoryJournal) -> DiskJournal:
        return DiskJournal(inner, self._on_commit)

    def _on_commit(self, journal: DiskJournal, seq: int) -> None:
        delay_ns = int(self.random.choice((0.0005, 0.004, 0.03)) * self.random.random() * 2 * SECOND_NS)
        due_ns = self.now_ns + delay_ns
        for from_ns, until_ns in self.plan.disk_stuck:
            if from_ns <= due_ns < until_ns:
                due_ns = until_ns
                self.outcome.met["disk stuck"] += 1
        self.at(due_ns, lambda: self._durable(journal, seq))

    def _durable(self, journal: DiskJournal, seq: int) -> None:
        if journal is self.journal and self.kernel is not None:
            self._alive(lambda _: journal.make_durable(seq))
        elif self.zombie is not None and journal is self.zombie.journal:
            journal.make_durable(seq)

    def _sync_in_background(self) -> None:
        """The journal's thread finds work by itself now and then."""
        journal = self.journal
        self._on_commit(journal, journal.inner.last_seq)
        self.at(self.now_ns + SECOND_NS, self._sync_in_background)

    def _fill_disk(self) -> None:
        self.journal.fail()

    def _snapshot(self) -> None:
        self._alive(lambda kernel: kernel.snapshot())
        self.outcome.met["snapshot"] += 1

    # dying and coming back

    def _arm(self, crash: Crash) -> None:
        """A kill is due: at once, or at the n-th write or send from here."""
        if self.kernel is None:
            return
        self.crash_armed = crash
        if crash.kill is Kill.BETWEEN:
            self._die("killed")
        elif crash.kill is Kill.SENDING:
            self.door.kill_in = crash.nth
        else:
            self.journal.kill_in = crash.nth
            self.journal.kills_before = crash.kill is Kill.BEFORE_APPEND

    def _die(self, why: str) -> None:
        """The process ends here; what the disk kept is all there is."""
        crash, self.crash_armed = self.crash_armed, None
        keep = crash.keep if crash is not None and why == "killed" else 0.0
        old = self.kernel
        require(old is not None, "dead already", why)
        self.kernel = None
        self._facts.clear()
        self._warming.clear()
        self.door.kill_in = self.journal.kill_in = 0
        self.outcome.met[f"crash: {crash.kill.value}" if crash is not None and why == "killed" else f"crash: {why}"] += 1
        if keep < 1 and self.journal.inner.last_seq > self.journal.durable_seq:
            self.outcome.met[LOST_TAIL] += 1
        survivors = self.journal.survivors(keep)
        self.zombie = None
        if crash is not None and crash.is_takeover and old is not None:
            old.superseded = True
            if isinstance(old.core, WatchedCore):
                old.core.judge = None
            self.zombie = old
            self.outcome.met["taken over while alive"] += 1
        self.journal = self._disk(survivors)
        self.exchange.connect()
        last = survivors.last_seq
        self.door.forget_after(last)
        self.votes.forget_after(last)
        self.inbox = [letter for letter in self.inbox if letter.seq > last]
        self.trace.say(self.now_ns, f"*** {why}; the disk keeps up to {last}; superseded: {self.zombie is not None}")
        again = crash.again if crash is not None else 0
        self.at(self.now_ns + (crash.down_ns if crash is not None else SECOND_NS), lambda: self.boot(again))

    def _haunt(self, zombie: Kernel, event: MarketEvent) -> None:
        """The old process has not noticed that another took over."""
        try:
            zombie.ingest(event)
        except (Killed, JournalFull):
            self.zombie = None

    def boot(self, kill_at: int = 0) -> None:
        """Start the process: recovery, a new epoch, reconciliation, and what the inboxes still hold."""
        self.runs += 1
        run, journal = self.runs, self.journal
        core, found = recover(journal, make_core, BUILD)
        if self.random.random() < 0.2:
            again, _ = recover(journal, make_core, BUILD)
            require(state_hash(again.state) == state_hash(core.state), "recovery repeats", f"seq {found.last_seq}")
        self.trace.say(self.now_ns, f"*** run {run}: recovered {found}")
        kernel = Kernel(
            core, journal, send=self._sender(core, journal), publish=self._publish, wait_for_disk=self.wait_for_disk
        )
        journal.on_durable(kernel.release)
        self.door.core = core
        core.judge = lambda intent: self.door.created(core, intent, self.now_ns)
        self.kernel = kernel
        self.votes.on_recovered(core)
        self._sync_halt()
        if run > 1:
            self.outcome.met["recovered"] += 1
        if kill_at:
            self.journal.kill_in, self.journal.kills_before = kill_at, bool(kill_at % 2)
            self.outcome.met["crash: again at the start"] += 1
        is_new = not core.state.installation
        self.ingest(
            e.EngineStarted(
                installation="sim",
                epoch=core.state.epoch + 1,
                build=BUILD,
                lock_hash="",
                settings_hash="s",
                settings=self.settings if is_new else None,
            )
        )
        for name, strategy in list(core.state.strategies.items()):
            if strategy.status is StrategyStatus.WARMING:
                self._alive(lambda _, name=name: self._warm(name))  # type: ignore[misc]
        if run == 1:
            self._load_strategies()
            self._sync_in_background()
        else:
            self._redeliver()

    def _load_strategies(self) -> None:
        for spec in self.settings.strategies:
            actor = Actor(person="", door=CommandDoor.SYSTEM)
            self.deliver(Letter(actor, LoadStrategy(spec=spec), f"load:{spec.id}", 0))

    def _redeliver(self) -> None:
        waiting, self.inbox = self.inbox, []
        for letter in waiting:
            self.deliver(letter)

    # people and other trouble

    def deliver(self, letter: Letter) -> None:
        """A command arrives at its door; it stays in the door's inbox until the journal surely has it."""
        self.inbox.append(letter)
        letter.seq = FOREVER
        command = e.CommandReceived(
            actor=letter.actor, command=letter.command, request_id=letter.request_id, sent_ts_ns=letter.sent_ns
        )
        self.ingest(command)
        if command.seq:
            letter.seq = command.seq

    def _people_next(self) -> None:
        gap_s = 12.0
        self.at(self.now_ns + int(self.people.random.expovariate(1 / gap_s) * SECOND_NS), self._people_act)

    def _people_act(self) -> None:
        if self.now_ns > plan.FAULTS_END_NS:
            return
        state = self.kernel.core.state if self.kernel is not None else State()
        clock_ns = self.now_ns + self.clock_offset_ns
        self.deliver(self.people.next_letter(state, clock_ns))
        self._people_next()

    def _flatten(self) -> None:
        from domain.commands import Flatten  # noqa: PLC0415

        self.deliver(self.people.letter(Flatten(reason="the day is over"), "dot", self.now_ns + self.clock_offset_ns))

    def _jump(self, offset_ns: int) -> None:
        back = offset_ns < self.clock_offset_ns
        self.outcome.met["clock back" if back else "clock forward"] += 1
        self.clock_offset_ns = offset_ns

    def _feed_down(self, outage: plan.Outage) -> None:
        self.dark[outage.instrument] = outage.until_ns
        self.outcome.met["feed gap, told" if outage.is_told else "feed gap, silent"] += 1
        if outage.is_told:
            state = self.random.choice((FeedState.GAP, FeedState.STALE, FeedState.DOWN))
            self.ingest(FeedStatus(venue="PAPER", state=state, instrument=outage.instrument))

    def _strategy_fault(self) -> None:
        kernel = self.kernel
        if kernel is not None and kernel.core.state.strategies:
            name = self.random.choice(list(kernel.core.state.strategies))
            self.outcome.met["strategy overran"] += 1
            self.ingest(e.StrategyFault(strategy=name, problem="took 80 ms", quarantine=self.random.random() < 0.3))

    def _overflow(self) -> None:
        self.outcome.met["inbox overflow"] += 1
        self.ingest(e.InboxOverflow(depth=50_000))

    # the end

    def _finish(self) -> None:
        kernel = self.kernel
        if kernel is None:
            raise Violation("liveness", "the process is down at the end of the day")
        proof.finish(kernel, self.door, flattened=self.plan.flattens, quiet_points=self.quiet_points)
        self.outcome.digest = proof.check_replay(self.journal, kernel.core)
        if self.audits:
            proof.check_audit(self.journal)

    def _count(self) -> None:
        met, door = self.outcome.met, self.door
        met["orders"] += door.orders
        met["fills"] += door.fills
        met["liquidation fills"] += door.liquidations
        met["quiet points"] += self.quiet_points
        for fault, count in self.exchange.fault_counts.items():
            met[f"line: {fault}"] += count
