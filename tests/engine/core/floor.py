"""A rig whose venue is the paper exchange and whose market is a tape: whole behaviours in virtual time."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from domain import events as e
from domain.commands import Command, Door, LoadStrategy
from domain.market import Feed, FeedKind, FeedStatus, MarketEvent
from domain.settings import SECOND_NS, Settings, StrategySpec
from engine.core.core import AnyStrategy
from engine.core.journal.memory import MemoryJournal
from engine.data.synthetic import SyntheticMarket
from engine.strategies import registry
from exchanges.paper.config import PaperConfig
from exchanges.paper.exchange import PaperExchange
from tests.engine.core.rig import Rig


class Floor(Rig):
    """`run` plays a market; strategies are those of the registry, unless `scripts` has one by that id."""

    def __init__(self, settings: Settings, journal: MemoryJournal | None = None, config: PaperConfig | None = None):
        super().__init__(settings, journal)
        deposits: dict[str, Decimal] = {a.id: a.deposit for a in settings.accounts}
        self.exchange = PaperExchange(settings.instruments, deposits, config)
        self.scripts.clear()
        self.kernel.send = self._send
        self.begin()
        while not all(account.reconciled for account in self.core.state.accounts.values()):
            self.advance(self.exchange.next_due_ns)

    def make_code(self, spec: StrategySpec) -> AnyStrategy:
        return self.scripts[spec.id] if spec.id in self.scripts else registry.build(spec)

    def _send(self, intents: Iterable) -> None:
        self.sent.extend(intents)
        self.exchange.submit(intents, self.core.state.ts_ns)

    def put_to_work(self, spec: StrategySpec) -> None:
        """Load a strategy; what it sees from now on is its history."""
        self.say(LoadStrategy(spec=spec), door=Door.SYSTEM)

    def say(self, command: Command, person: str = "", door: Door = Door.TERMINAL) -> None:
        """A command at this moment of the tape; history is delivered to who waits for it."""
        self.submit(command, person, door)
        for strategy in list(self.core.state.strategies.values()):
            if strategy.status.value == "warming":
                self.ingest(e.History(strategy=strategy.spec.id, complete=True))

    def advance(self, until_ns: int) -> None:
        """What venue and timers have to say by then."""
        kernel, exchange = self.kernel, self.exchange
        while True:
            due, wake = exchange.next_due_ns, kernel.wake_ns
            if due and due <= until_ns and (not wake or due <= wake):
                self.now_ns = max(self.now_ns, due)
                for answer in exchange.poll(due):
                    kernel.ingest(answer)
            elif wake and wake <= until_ns:
                self.now_ns = max(self.now_ns, wake)
                kernel.tick(wake)
            else:
                self.now_ns = max(self.now_ns, until_ns)
                return

    def see(self, event: MarketEvent | FeedStatus) -> None:
        """One event of the tape."""
        self.advance(event.ts_ns)
        self.exchange.on_market(event)
        self.kernel.ingest(event)
        self.advance(event.ts_ns)

    def run(self, seconds: float, seed: int = 7) -> int:
        """Let a seeded market go on for so long, with bars of five seconds; returns its number of events."""
        until_ns, count = self.now_ns + round(seconds * 1e9), 0
        market = SyntheticMarket(self.settings.instruments, seed, self.now_ns)
        bars = [Feed(kind=FeedKind.BAR, instrument=i.id, interval_ns=5 * SECOND_NS) for i in self.settings.instruments]
        for event in market.events([*market.everything(), *bars]):
            if event.ts_ns > until_ns:
                break
            self.see(event)
            count += 1
        return count
