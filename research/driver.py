"""The virtual-time driver: merged tape, paper exchange and timers around the same kernel that runs live.

The venue sees every event of the tape, the engine what its conflator lets through, as in `moondev run`. At
one instant come venue answers, then timers, then the market.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from domain.commands import Actor, Command, Door, LoadStrategy
from domain.events import CommandReceived, EngineStarted, History
from domain.facts import Fact, StrategyChanged, StrategyStatus
from domain.instrument import AccountId, InstrumentId
from domain.market import Bar, FeedStatus, MarketEvent
from domain.order import Intent, Place
from domain.ports import Journal
from domain.settings import Settings, StrategySpec
from engine.core.core import AnyStrategy, Core
from engine.core.kernel import Kernel
from engine.core.state import State
from engine.data.noise import Ints
from research.compiled import CompiledTape, Pacer, Pacing
from research.venues import Exchange

SYSTEM = Actor(person="", door=Door.SYSTEM)
LEAD_NS = 1_000_000_000
"""A run starts this long before its tape, so that accounts are reconciled when the market opens."""


class Driver:
    """Runs a kernel against a paper exchange, or several, in virtual time.

    `on_facts` sees every fact. `history` has the bars that warm up a strategy, by its id; without any it
    acts from its first event. Without `pacing` every event reaches the engine.
    """

    def __init__(
        self,
        settings: Settings,
        exchange: Exchange,
        make_code: Callable[[StrategySpec], AnyStrategy],
        *,
        journal: Journal | None = None,
        on_facts: Callable[[Sequence[Fact]], None] | None = None,
        facts_on: bool = True,
        history: Mapping[str, Sequence[Bar]] | None = None,
        pacing: Pacing | None = None,
    ) -> None:
        """Wire everything; nothing happens before `start`."""
        self.settings = settings
        self.exchange = exchange
        self.on_facts = on_facts
        self.on_sent: Callable[[Sequence[Intent]], None] | None = None
        self.history = dict(history or {})
        core = Core(State(), facts_on=facts_on)
        core.make_code = make_code
        self.kernel = Kernel(core, journal, send=self._send, publish=self._publish)
        self._pacer = Pacer(self._take, pacing) if pacing is not None else None
        self._warming: list[str] = []
        self._commands = 0
        self.placed_in: Counter[tuple[AccountId, InstrumentId]] = Counter()
        """Orders sent so far, by account and instrument."""
        self.sent = 0
        """Requests of every kind sent so far."""

    @property
    def core(self) -> Core:
        """The engine's core."""
        return self.kernel.core

    @property
    def placed(self) -> int:
        """Orders sent so far."""
        return self.placed_in.total()

    def _send(self, intents: Sequence[Intent]) -> None:
        self.sent += len(intents)
        for intent in intents:
            if type(intent) is Place:
                self.placed_in[intent.account, intent.instrument] += 1
        if self.on_sent is not None:
            self.on_sent(intents)
        self.exchange.submit(intents, self.kernel.core.state.ts_ns)

    def _publish(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if isinstance(fact, StrategyChanged) and fact.status is StrategyStatus.WARMING:
                self._warming.append(fact.strategy)
        if self.on_facts is not None:
            self.on_facts(facts)

    def start(self, ts_ns: int) -> None:
        """Begin a run: identity, settings, reconciliation with the exchange, then the configured strategies."""
        self.kernel.ingest(
            EngineStarted(
                ts_ns=ts_ns,
                installation="bt",
                epoch=self.core.state.epoch + 1,
                build="backtest",
                lock_hash="",
                settings_hash="",
                settings=self.settings,
            )
        )
        self.advance(ts_ns)
        while not all(account.reconciled for account in self.core.state.accounts.values()):
            self.advance(self._next_due() or ts_ns)
        for spec in self.settings.strategies:
            if spec.id not in self.core.state.strategies:
                self.command(LoadStrategy(spec=spec))

    def command(self, command: Command, actor: Actor = SYSTEM) -> None:
        """Send a command at the present virtual time."""
        self._commands += 1
        ts_ns = self.core.state.ts_ns
        self.kernel.ingest(
            CommandReceived(ts_ns=ts_ns, actor=actor, command=command, request_id=f"driver:{self._commands}")
        )
        self._warm()

    def _warm(self) -> None:
        while self._warming:
            strategy = self._warming.pop(0)
            bars = tuple(self.history.get(strategy, ()))
            self.kernel.ingest(History(ts_ns=self.core.state.ts_ns, strategy=strategy, bars=bars, complete=True))

    def _next_due(self) -> int:
        due, wake = self.exchange.next_due_ns, self.kernel.wake_ns
        if due and (not wake or due <= wake):
            return due
        return wake

    def advance(self, until_ns: int) -> None:
        """Deliver venue answers and timers that are due by `until_ns`, in order of time."""
        kernel, core, exchange = self.kernel, self.kernel.core, self.exchange
        ingest, poll = kernel.ingest, exchange.poll
        while True:
            due, wake = exchange.due_ns, core.wake_ns
            if due <= until_ns and (not wake or due <= wake):
                for answer in poll(due):
                    ingest(answer)
            elif 0 < wake <= until_ns:
                kernel.tick(wake)
            else:
                return

    def feed(self, event: MarketEvent | FeedStatus) -> None:
        """One event of the tape."""
        self.play((event,))

    def run(self, tape: Iterable[MarketEvent | FeedStatus]) -> int:
        """Feed a whole tape, starting shortly before its first event; returns the number of events."""
        events = iter(tape)
        for first in events:
            if not self.core.state.epoch:
                self.start(first.ts_ns - LEAD_NS)
            self.feed(first)
            return 1 + self.play(events)
        return 0

    def play(self, tape: Iterable[MarketEvent | FeedStatus]) -> int:
        """Feed events after `start`; returns their number."""
        if self._pacer is not None:
            return self._play_conflated(self._pacer, tape)
        exchange, core = self.exchange, self.core
        on_market, ingest, advance = exchange.on_market, self.kernel.ingest, self.advance
        count = now_ns = 0
        for event in tape:
            now_ns = event.ts_ns
            if exchange.due_ns <= now_ns or (core.wake_ns and core.wake_ns <= now_ns):
                advance(now_ns)
            on_market(event)
            ingest(event)
            count += 1
        if exchange.due_ns <= now_ns:
            advance(now_ns)
        return count

    def _play_conflated(self, pacer: Pacer, tape: Iterable[MarketEvent | FeedStatus]) -> int:
        exchange, core = self.exchange, self.core
        on_market, advance = exchange.on_market, self.advance
        flush_until, put = pacer.flush_until, pacer.put
        count = 0
        for event in tape:
            now_ns = event.ts_ns
            flush_until(now_ns)
            if exchange.due_ns <= now_ns or 0 < core.wake_ns <= now_ns:
                advance(now_ns)
            on_market(event)
            put(event)
            count += 1
        return count

    def _take(self, event: MarketEvent | FeedStatus, now_ns: int) -> None:
        """An event reaches the engine; everything that is due before it comes first."""
        self.advance(now_ns)
        self.kernel.ingest(event)
        self.advance(now_ns)

    def replay(self, tape: CompiledTape) -> int:
        """Play a compiled tape after `start`; returns the number of events that were on it."""
        take, rows, row = self._take, tape.rows, 0
        for end, now_ns, event in tape.wakes:
            row = self._match(tape.instrument, rows[:end], row, now_ns)
            take(event, now_ns)
        if len(rows):
            self._match(tape.instrument, rows, row, int(rows[-1, 0]))
            self.advance(int(rows[-1, 0]))
        return tape.events

    def _match(self, instrument: InstrumentId, rows: Ints, row: int, until_ns: int) -> int:
        """Let the exchange match rows up to a time; what becomes due on the way is delivered then."""
        exchange, core, last = self.exchange, self.core, len(rows)
        while row < last:
            wake = core.wake_ns
            row = exchange.on_rows(instrument, rows, row, min(wake, until_ns) if wake else until_ns)
            if row < last:
                self.advance(int(rows[row, 0]))
        return row
