"""The virtual-time driver: merged tape, paper exchange and timers around the same kernel that runs live.

At one instant the venue sees the market first, then the engine, then what the engine sent is answered
if latency allows. Order of equal times: venue answers, timers, market.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from domain.commands import Actor, Command, Door, LoadStrategy
from domain.events import CommandReceived, EngineStarted, History
from domain.facts import Fact, StrategyChanged, StrategyStatus
from domain.market import FeedStatus, MarketEvent
from domain.order import Intent
from domain.ports import Journal
from domain.settings import Settings, StrategySpec
from engine.core.core import AnyStrategy, Core
from engine.core.kernel import Kernel
from engine.core.state import State
from exchanges.paper.exchange import PaperExchange

SYSTEM = Actor(person="", door=Door.SYSTEM)


class Driver:
    """Runs a kernel against a paper exchange in virtual time.

    `on_facts` sees every fact. Strategies act from their first event: history is what the tape brings.
    """

    def __init__(
        self,
        settings: Settings,
        exchange: PaperExchange,
        make_code: Callable[[StrategySpec], AnyStrategy],
        *,
        journal: Journal | None = None,
        on_facts: Callable[[Sequence[Fact]], None] | None = None,
        facts_on: bool = True,
        installation: str = "bt",
        build: str = "backtest",
    ) -> None:
        """Wire everything; nothing happens before `start`."""
        self.settings = settings
        self.exchange = exchange
        self.on_facts = on_facts
        self.installation = installation
        self.build = build
        core = Core(State(), facts_on=facts_on)
        core.make_code = make_code
        self.kernel = Kernel(core, journal, send=self._send, publish=self._publish)
        self._warming: list[str] = []
        self._commands = 0

    @property
    def core(self) -> Core:
        """The engine's core."""
        return self.kernel.core

    def _send(self, intents: Sequence[Intent]) -> None:
        self.exchange.submit(intents, self.kernel.core.state.ts_ns)

    def _publish(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if isinstance(fact, StrategyChanged) and fact.status is StrategyStatus.WARMING:
                self._warming.append(fact.strategy)
        if self.on_facts is not None:
            self.on_facts(facts)

    def start(self, ts_ns: int, settings_hash: str = "") -> None:
        """Begin a run: identity, settings, reconciliation with the exchange, then the configured strategies."""
        self.kernel.ingest(
            EngineStarted(
                ts_ns=ts_ns,
                installation=self.installation,
                epoch=self.core.state.epoch + 1,
                build=self.build,
                lock_hash="",
                settings_hash=settings_hash,
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
            self.kernel.ingest(History(ts_ns=self.core.state.ts_ns, strategy=self._warming.pop(0), complete=True))

    def _next_due(self) -> int:
        due, wake = self.exchange.next_due_ns, self.kernel.wake_ns
        if due and (not wake or due <= wake):
            return due
        return wake

    def advance(self, until_ns: int) -> None:
        """Deliver venue answers and timers that are due by `until_ns`, in order of time."""
        kernel, exchange = self.kernel, self.exchange
        while True:
            due, wake = exchange.next_due_ns, kernel.wake_ns
            if due and due <= until_ns and (not wake or due <= wake):
                for answer in exchange.poll(due):
                    kernel.ingest(answer)
            elif wake and wake <= until_ns:
                kernel.tick(wake)
            else:
                return

    def feed(self, event: MarketEvent | FeedStatus) -> None:
        """One event of the tape."""
        self._play((event,))

    def run(self, tape: Iterable[MarketEvent | FeedStatus]) -> int:
        """Feed a whole tape, starting at its first event; returns the number of events."""
        events = iter(tape)
        for first in events:
            if not self.core.state.epoch:
                self.start(first.ts_ns)
            self.feed(first)
            return 1 + self._play(events)
        return 0

    def _play(self, tape: Iterable[MarketEvent | FeedStatus]) -> int:
        exchange, core = self.exchange, self.core
        on_market, ingest, advance = exchange.on_market, self.kernel.ingest, self.advance
        count = 0
        for event in tape:
            now_ns = event.ts_ns
            due, wake = exchange.next_due_ns, core.wake_ns
            if (due and due <= now_ns) or (wake and wake <= now_ns):
                advance(now_ns)
            on_market(event)
            ingest(event)
            due = exchange.next_due_ns
            if due and due <= now_ns:
                advance(now_ns)
            count += 1
        return count
