"""A running engine: journal, recovery, kernel, loop, desk, projections, watchdog, warm-up, clean stop.

`main.py` gives it its venues and a feed, which it knows only as ports.

    runtime = Runtime(config, data)           opens the data folder, recovers; nothing runs
    await runtime.start(venues, feed)         the run's first event, then the engine, then market data
    runtime.engine                            the task that ends when cancelled or when the journal fails
    await runtime.stop(reason)                EngineStopped, snapshot, everything on disk
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from sqlalchemy.exc import SQLAlchemyError

from domain.errors import JournalError, MoonDevError
from domain.events import ClockStepped, EngineStarted, EngineStopped, Event
from domain.facts import Alerted, CommandDone, Fact, FactKey, RequestChanged, StrategyChanged, StrategyStatus
from domain.files import StrategyFileBroken
from domain.instrument import Instrument
from domain.market import FeedStatus, MarketEvent
from domain.order import Intent
from domain.ports import MarketFeed, Secrets
from domain.settings import StrategySpec
from engine import lost as lost_end
from engine.beside import Beside
from engine.catalogue import built_in, seed
from engine.clock import WallClock
from engine.config import Config, diff
from engine.config.remember import check_environment
from engine.config.running import RunningSettings
from engine.core.contracts import check_contracts, news_of
from engine.core.core import AnyStrategy, Core
from engine.core.executor import cancels
from engine.core.guard import Guard, Timed
from engine.core.journal import FileJournal
from engine.core.kernel import Kernel
from engine.core.loop import EngineLoop
from engine.core.recovery import recover
from engine.core.state import State
from engine.core.strategies import prepare
from engine.data.conflate import Conflator, LagWatch, base_feeds, flush_for_ever
from engine.data.monitor import FeedMonitor
from engine.desk import Desk, StrategySource
from engine.disk import watch_disk
from engine.emergency.keeper import keep as keep_incidents
from engine.file_watch import watch_files
from engine.lockdown import LockDown
from engine.meter import Meter
from engine.observe.build import build_hash, lock_hash
from engine.observe.facts import log_facts
from engine.records import wire
from engine.replay import facts_of
from engine.storage import reads
from engine.storage.database import database_url
from engine.storage.ledger import Ledger
from engine.storage.news import news_beside, outcome
from engine.storage.projector import Projector
from engine.storage.writer import ProjectionWriter
from engine.strategies import registry
from engine.venues import VenueRouter
from engine.warm import warm_up
from engine.watchdog.heart import heart_of

PRELOADED_TRADES = 200
PRELOADED_EQUITY = 2_000
SNAPSHOT_SOON_S = 1.0
NEWS_RETRY_S = 0.2
STOP_WITHIN_NS = 3_000_000_000

log = logging.getLogger(__name__)


class Runtime:
    """One engine in one data folder. Raises `JournalError` when another process runs there."""

    def __init__(
        self, config: Config, data: Path, vault: Secrets, broken: Mapping[str, str], listed: Sequence[Instrument] = ()
    ) -> None:
        """Open the data folder and recover from its journal; nothing runs yet.

        `broken` are the files of the user's strategies that cannot be used, and why: people are told. `listed` are the
        venues' contracts as they are now; raises `ConfigError` for one that is new and missing, or that cannot be used.
        """
        self.config = config
        self.data = data
        self.build = build_hash()
        self._live: EngineLoop | None = None
        self.broken = broken
        self.guard = Guard()
        self.guard.start(lambda: self._live.busy_since_ns if self._live is not None else 0, self._stuck)
        segment_bytes = config.journal.segment_mib * 2**20
        self.journal = FileJournal(
            data / "journal",
            fsync=config.fsync,
            segment_bytes=segment_bytes,
            reserve_bytes=config.journal.reserve_mib * 2**20,
        )
        self._replayed: list[Fact] = []
        self.core, self.recovery = recover(self.journal, self._fresh, self.build, self._replayed.extend)
        check_environment(data, self.core.state, config)
        known = {i.id: i for i in self.core.state.settings.instruments}
        check_contracts(self.core, listed)
        self._listed = listed
        self.contracts = [*(known | {i.id: i for i in listed}).values()]
        """Of the venues, as they are now; of one that does not answer, as they were."""
        self._wanted = config.to_settings(self.contracts)
        self.settings = self.core.state.settings if self.core.state.epoch else self._wanted
        self.clock = WallClock(not_before_ns=self.core.state.ts_ns)
        self.clock.on_step = lambda step_ns: self.loop.put(ClockStepped(back_ns=-step_ns))
        self.epoch = self.core.state.epoch + 1
        self.installation = self.core.state.installation or secrets.token_hex(3)
        self.kernel = Kernel(self.core, self.journal, send=self._send, publish=self._publish)
        self.loop = self._live = EngineLoop(self.kernel, self.clock)
        self.heart = heart_of(data, self.core, self.journal, config.content_hash, self.settings)
        self.guard.report = partial(self.loop.fault, quarantine=False)
        self.desk = Desk(
            self.core,
            self.loop.put,
            self.clock,
            market="no market yet",
            strategy_kinds=lambda: registry.kinds(self._own_strategies),
            source_of=self._source_of,
            journal=self.journal,
            news=self._news,
        )
        self.desk.settings.file = RunningSettings(config, built_in())
        wire(self, vault)
        last = self._replayed[-1] if self._replayed else None
        self.desk.last_fact = (last.seq, last.index) if last else (self.recovery.snapshot_seq, 0)
        self._database = database_url(config, data, vault)
        self._projector = Projector(self._database, self.core.instruments, self.installation)
        self.projection = ProjectionWriter(self._projector, lambda trouble: log.warning(trouble) if trouble else None)
        self.conflator = Conflator(self.loop.put, config.data_feed.conflate_ns)
        self.monitor = FeedMonitor(self._on_market, self.clock, self.settings.execution.stale_feed_ns)
        venues = sorted({instrument.venue for instrument in self.settings.instruments})
        self._lags = {venue: LagWatch(self.monitor.put, venue, self.clock) for venue in venues}
        self._venues: VenueRouter | None = None
        self._early: list[Event] | None = []
        self._feed: MarketFeed | None = None
        self.engine: asyncio.Task[None] | None = None
        self._beside = Beside()
        self.later = self._beside.run
        self.meter, self.lock_down = Meter(self.loop.put), LockDown(self.core)
        self._snapshot_is_due = False

    @property
    def _own_strategies(self) -> Path:
        return self.data / "strategies"

    def _fresh(self, state: State) -> Core:
        core = Core(state)
        core.make_code = self._make_code
        core.contain = self.guard.call
        return core

    def _make_code(self, spec: StrategySpec) -> AnyStrategy:
        return cast("AnyStrategy", Timed(registry.build(spec, self._own_strategies), spec.id, self.guard))

    def _source_of(self, spec: StrategySpec) -> StrategySource:
        """The source of a strategy that can be made and attached. Raises `StrategyError`, and what its code raises."""
        loaded = self.guard.call(lambda: registry.load(spec.kind, self._own_strategies))
        self.guard.call(lambda: prepare(self.core, registry.make(loaded, spec), None))
        return StrategySource(loaded.source, loaded.source_hash, loaded.strategy.params_type, loaded.strategy.origin)

    # effects

    def _send(self, intents: Sequence[Intent]) -> None:
        if self._venues is not None and self.heart.may_send():
            self.meter.sent(intents)
            self._venues.send(intents)

    def _hear(self, event: Event) -> None:
        """What a venue says; before the run's first event it waits for that."""
        self.meter.heard(event)
        if self._early is None:
            self.loop.put(event)
        else:
            self._early.append(event)

    def _publish(self, facts: Sequence[Fact]) -> None:
        self.desk.publish(facts)
        log_facts(facts)
        self.lock_down.look(facts, self._venues)
        for fact in facts:
            self.projection.put(fact)
            if isinstance(fact, Alerted) and fact.kind == "watchdog":
                self.heart.told()
            if isinstance(fact, CommandDone | RequestChanged):
                self._snapshot_soon()
            if isinstance(fact, StrategyChanged) and fact.status is StrategyStatus.WARMING:
                self._warm_up(fact.strategy)

    def _snapshot_soon(self) -> None:
        """What people decided is in a snapshot within a second: another build could not read it off the record."""
        if not self._snapshot_is_due and self.loop.failure is None:
            self._snapshot_is_due = True
            self.later(self._snapshot_for_people())

    async def _snapshot_for_people(self) -> None:
        await asyncio.sleep(SNAPSHOT_SOON_S)
        self._snapshot_is_due = False
        if self.loop.failure is None:
            await self._snapshot()

    # market data

    def _from_feed(self, event: MarketEvent | FeedStatus) -> None:
        of = event.venue if isinstance(event, FeedStatus) else event.instrument.rpartition(".")[2]
        (self._lags.get(of) or self.monitor).put(event)

    def _on_market(self, event: MarketEvent | FeedStatus) -> None:
        if self._venues is not None:
            self._venues.on_market(event)
        if (minutes := self.desk.markets.minutes).watched:
            minutes.put(event)
        self.conflator.put(event)

    async def _take_snapshots(self) -> None:
        while True:
            await asyncio.sleep(self.config.journal.snapshot_every_ns / 1e9)
            await self._snapshot()

    def problems(self) -> list[str]:
        """Why the service is not ready, beyond what the desk knows."""
        trouble = self.projection.trouble or self.projection.gap
        found = [f"projection: {trouble}"] if trouble else []
        found += self._beside.broken
        if self.loop.failure is not None:
            found.append(f"journal: {self.loop.failure}")
        return found

    async def _snapshot(self) -> None:
        """Take one and tell the projection, once it is told all up to there: it must not end below a snapshot."""
        self.kernel.snapshot()
        taken = self.kernel.seq
        while self.kernel.told_seq < taken:  # noqa: ASYNC110 - what it waits for is a thread
            await asyncio.sleep(0.05)
        self.projection.reached(self.kernel.told_seq)

    def _warm_up(self, strategy: str) -> None:
        if self._feed is not None:
            self.later(warm_up(self.core, self._feed, self.loop.put, strategy))

    # life

    async def start(self, venues: VenueRouter, feed: MarketFeed, market: str, on_end: Callable[[], None]) -> list[str]:
        """Begin to trade; `on_end` is called when the engine ends.

        Returns how the settings file differs from the settings in force, in lines.
        """
        self._venues, self._feed = venues, feed
        self.lock_down.obey(venues)
        self.desk.market, self.desk.venues = market, venues.views
        self.desk.past.feed, self.desk.past.ledger = feed, Ledger(self._projector, lambda: self.projection.gap)
        self.desk.earlier = partial(outcome, self._projector)
        await venues.start(self._hear)
        last_beat = self.heart.last()
        lost = lost_end.find(self.journal, self.core.state, self._database, await venues.client_ids(), last_beat)
        if lost is not None:
            # nothing that anybody knows is used again
            self.epoch, self.kernel.seq = lost.epoch + 1, lost.seq
        self._preload()
        facts = partial(facts_of, self.data / "journal")
        await self.projection.start(self.recovery.snapshot_seq + 1, self.kernel.seq, facts)
        for fact in self._replayed:
            self.projection.put(fact)
        self._replayed.clear()
        acted = await asyncio.to_thread(self.heart.begin, self.installation, self.epoch)
        differs = self._begin(lost.text if lost is not None else "")
        self.loop.beat = self.heart.beat
        early, self._early = self._early, None
        for event in (*acted, *(early or ())):
            self.loop.put(event)
        self.engine = asyncio.get_running_loop().create_task(self._drive(), name="engine")
        self.engine.add_done_callback(lambda _: on_end())
        base = base_feeds(self.settings)
        self.monitor.watch(base)
        await feed.start(self._from_feed, base)
        self.later(flush_for_ever(self.conflator, self.clock))
        self.later(self.monitor.run())
        self.later(self._take_snapshots())
        self.later(self.meter.run())
        self.later(watch_disk(self.data, self.journal, self.loop.put))
        self.later(keep_incidents(self.data, self.desk, self._snapshot))
        self.later(watch_files(self.data, self.config, self.contracts, self.core, self._source_of, self.loop.put))
        for strategy in list(self.core.state.strategies):
            self._warm_up(strategy)
        return differs

    def _preload(self) -> None:
        """Show what earlier runs left: trades and the equity curve."""
        with contextlib.suppress(SQLAlchemyError, MoonDevError):
            database = self._projector.engine
            trades = reads.trades(database, PRELOADED_TRADES)
            self.desk.preload(trades[::-1], reads.equity_curve(database, PRELOADED_EQUITY))
            self.desk.records.preload(reads.commands(database, PRELOADED_TRADES))
            self.desk.records.preload_params(reads.params(database))

    async def _news(self, after: FactKey, until: FactKey) -> list[Fact]:
        """Facts from the projection, as soon as it is open, up to `until`, and whole if it can be."""
        while True:
            if self.engine is not None:
                with contextlib.suppress(SQLAlchemyError, MoonDevError):
                    found = await news_beside(self._projector.engine, after, until, has_gap=bool(self.projection.gap))
                    if found is not None:
                        return found
            await asyncio.sleep(NEWS_RETRY_S)

    def _begin(self, lost: str) -> list[str]:
        """The first event of this run: who we are, and under which settings."""
        state = self.core.state
        is_new = not state.epoch
        seeds = [seed(spec, self._source_of) for spec in self.settings.strategies] if is_new else []
        if self.recovery.events:
            self.kernel.snapshot()
            self.projection.reached(self.kernel.told_seq)
        wanted = self.config.content_hash
        self.loop.put(
            EngineStarted(
                installation=self.installation,
                epoch=self.epoch,
                build=self.build,
                lock_hash=lock_hash(),
                settings_hash=wanted if is_new else state.settings_hash,
                settings=self.settings if is_new else None,
                lost=lost,
            )
        )
        changed = news_of(self.core, self._listed)
        if changed is not None:
            self.loop.put(changed)
        for file, problem in self.broken.items():
            self.loop.put(StrategyFileBroken(file=file, problem=problem))
        for wish in seeds:
            self.loop.put(wish)
        if is_new:
            return []
        return diff(state.settings, self._wanted) if wanted != state.settings_hash else []

    async def _drive(self) -> None:
        """Run until cancelled. When the journal fails, entries are cancelled and its error is raised."""
        try:
            await self.loop.run()
        except JournalError:
            self._send(cancels(self.core))
            raise

    def _stuck(self, seconds: float) -> None:
        """Watchdog thread: the loop has not come back from one event for seconds."""
        log.critical("the engine has been stuck in one event for %.0f s: cancelling entries", seconds)
        if self._venues is not None and self.heart.may_send():
            self._venues.send_from_thread(cancels(self.core))

    async def _quiet(self, engine: asyncio.Task[None]) -> None:
        """Wait until the last event is in and what it cancelled is confirmed, for a bounded time."""
        end_ns = self.clock.now_ns() + STOP_WITHIN_NS
        # there is no event for "empty and confirmed"
        while (self.loop.has_work or cancels(self.core)) and self.clock.now_ns() < end_ns and not engine.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def stop(self, reason: str) -> None:
        """Stop cleanly: a last event, a snapshot, everything on disk."""
        engine = self.engine
        if self._feed is not None:
            await self._feed.aclose()
        self._beside.cancel()
        if engine is not None and self.loop.failure is None and not engine.done():
            self.loop.put(EngineStopped(reason=reason))
            await self._quiet(engine)
            with contextlib.suppress(JournalError):
                self.journal.flush()
                self.kernel.release(self.journal.durable_seq)
            self.kernel.snapshot()
            self.projection.reached(self.kernel.told_seq)
        if engine is not None:
            is_clean = self.loop.failure is None and not engine.done()
            engine.cancel()
            await asyncio.gather(engine, return_exceptions=True)
            if is_clean:
                self.heart.end()
        self.guard.stop()
        if self._venues is not None:
            await self._venues.aclose()
        await self.projection.aclose()
        with contextlib.suppress(JournalError):
            self.journal.close()
