"""The machine that the engine runs on: the process with its starts and deaths, and the disk of its journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from domain import events as e
from domain.errors import JournalFull
from domain.facts import StrategyStatus
from domain.market import MarketEvent
from domain.order import Intent
from domain.settings import SECOND_NS
from domain.venue import VenueCaps
from engine.core.journal.memory import MemoryJournal
from engine.core.recovery import state_hash
from research.simulation import proof
from research.simulation.disk import DiskJournal
from research.simulation.plan import Crash, Kill
from research.simulation.violation import Killed, require
from research.simulation.watched import BUILD, WatchedCore, WatchedKernel, recovered

if TYPE_CHECKING:
    from research.simulation.world import World

LOST_TAIL = "crash: lost the unsynced tail"
KILLED = "killed while starting"
REPEATED_RECOVERIES = 0.2
"""Share of the recoveries that are done again and compared."""
HISTORY_AFTER_NS = 12 * SECOND_NS
"""How long the price source takes to tell what was missed: long enough for a live bar to come first."""


class Machine:
    """Runs one kernel at a time; `kernel` is None while the process is down, `zombie` one that was taken over."""

    def __init__(self, world: World, *, wait_for_disk: bool) -> None:
        self.world = world
        self.wait_for_disk = wait_for_disk
        self.kernel: WatchedKernel | None = None
        self.zombie: WatchedKernel | None = None
        self.journal = DiskJournal(MemoryJournal(hold=True), self._on_commit)
        self.armed: Crash | None = None
        self.runs = 0

    def alive(self, action: Callable[[WatchedKernel], None]) -> None:
        """Let the engine do something; it may be killed, or its disk be full."""
        if self.kernel is None:
            return
        try:
            action(self.kernel)
        except Killed:
            self.die(KILLED)
        except JournalFull:
            self.die("disk full")

    # the disk

    def _on_commit(self, journal: DiskJournal, seq: int) -> None:
        world = self.world
        delay_s = world.random.choice((0.001, 0.008, 0.06)) * world.random.random()
        due_ns = world.now_ns + int(delay_s * SECOND_NS)
        for from_ns, until_ns in world.plan.disk_stuck:
            if from_ns <= due_ns < until_ns:
                due_ns = until_ns
                world.outcome.met["disk stuck"] += 1
        world.at(due_ns, partial(self._durable, journal, seq))

    def _durable(self, journal: DiskJournal, seq: int) -> None:
        if journal is self.journal:
            self.alive(lambda _: journal.make_durable(seq))
        elif self.zombie is not None and journal is self.zombie.journal:
            journal.make_durable(seq)

    def sync(self) -> None:
        """The journal's thread finds work by itself now and then."""
        self._on_commit(self.journal, self.journal.inner.last_seq)
        self.world.at(self.world.now_ns + SECOND_NS, self.sync)

    # dying

    def arm(self, crash: Crash) -> None:
        """A kill is due: at once, or at the n-th write or send from here."""
        if self.kernel is None:
            return
        self.armed = crash
        if crash.kill is Kill.BETWEEN:
            self.die(KILLED)
        elif crash.kill is Kill.SENDING:
            self.world.door.kill_in = crash.nth
        else:
            self.journal.kill_in = crash.nth
            self.journal.kills_before = crash.kill is Kill.BEFORE_APPEND

    def die(self, why: str) -> None:
        """The process ends here; what the disk kept is all there is."""
        world = self.world
        crash = self.armed if why == KILLED else None
        self.armed = None
        old, self.kernel, self.zombie = self.kernel, None, None
        keep = crash.keep if crash is not None else 0.0
        world.outcome.met[f"crash: {crash.kill.value if crash is not None else why}"] += 1
        if keep < 1 and self.journal.inner.last_seq > self.journal.durable_seq:
            world.outcome.met[LOST_TAIL] += 1
        world.door.kill_in = self.journal.kill_in = 0
        survivors = self.journal.survivors(keep)
        self.journal = DiskJournal(survivors, self._on_commit)
        if crash is not None and crash.is_takeover and old is not None:
            self._take_over(old)
        world.trace.say(world.now_ns, f"*** {why}; the disk keeps up to {survivors.last_seq}")
        world.forget_after(survivors.last_seq)
        down_ns = crash.down_ns if crash is not None else SECOND_NS
        world.at(world.now_ns + down_ns, partial(self.boot, crash.again if crash is not None else 0))

    def _take_over(self, old: WatchedKernel) -> None:
        """The old process lives on, but another has its place: its line and its readers are gone."""
        old.superseded = True
        old.publish = None
        if isinstance(old.core, WatchedCore):
            old.core.judge = None
        self.zombie = old
        self.world.outcome.met["taken over while alive"] += 1

    def haunt(self, event: MarketEvent) -> None:
        """The old process has not noticed that another took over."""
        if self.zombie is None:
            return
        try:
            self.zombie.ingest(event)
        except (Killed, JournalFull):
            self.zombie = None

    # starting

    def boot(self, kill_at: int = 0) -> None:
        """Start the process: recovery, a new epoch, reconciliation, and what the inboxes still hold."""
        world, journal = self.world, self.journal
        world.exchange.connect(keeps_requests=True)
        self.runs += 1
        core, found = recovered(journal, world.retell)
        if world.random.random() < REPEATED_RECOVERIES:
            again, _ = recovered(journal)
            require(state_hash(again.state) == state_hash(core.state), "recovery repeats", f"seq {found.last_seq}")
            if found.snapshot_seq:
                proof.check_snapshot(journal, core)
        world.trace.say(world.now_ns, f"*** run {self.runs}: recovered {found}")
        kernel = WatchedKernel(
            core,
            journal,
            send=self._sender(core, journal),
            publish=world.publish,
            wait_for_disk=self.wait_for_disk,
        )
        journal.on_durable(kernel.release)
        world.door.core = core
        core.judge = lambda intent: world.door.created(core, intent, world.now_ns)
        self.kernel = kernel
        world.votes.on_recovered(core)
        world.power.on_recovered(core)
        world.sync_halt()
        if self.runs > 1:
            world.outcome.met["recovered"] += 1
        if kill_at:
            journal.kill_in, journal.kills_before = kill_at, bool(kill_at % 2)
        self._begin(core)
        if self.runs == 1:
            self.sync()

    def _begin(self, core: WatchedCore) -> None:
        world = self.world
        world.ingest(
            e.EngineStarted(
                installation="sim",
                epoch=core.state.epoch + 1,
                build=BUILD,
                lock_hash="",
                settings_hash="s",
                settings=None if core.state.installation else world.settings,
            )
        )
        world.ingest(e.VenueOpened(venue="PAPER", caps=VenueCaps(amend_keeps_queue=True, dead_man=True, batch=100)))
        for name, strategy in list(core.state.strategies.items()):
            if strategy.status is StrategyStatus.WARMING:
                self.alive(lambda _, name=name: world.warm(name))  # type: ignore[misc]
            elif strategy.catching_up:
                later_ns = world.now_ns + HISTORY_AFTER_NS
                world.at(later_ns, lambda name=name: self.alive(lambda _: world.warm(name)))  # type: ignore[misc]
        world.redeliver()

    def _sender(self, core: WatchedCore, journal: DiskJournal) -> Callable[[Sequence[Intent]], None]:
        world = self.world

        def send(intents: Sequence[Intent]) -> None:
            world.trace.intents(intents)
            world.door.send(
                core,
                intents,
                world.now_ns,
                durable_seq=journal.durable_seq,
                cause_of=core.cause_of,
                is_current=self.kernel is not None and self.kernel.core is core,
            )

        return send
