"""What happens to the world at its times: the plan's troubles, and people who act at random."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from domain import events as e
from domain.breakers import BreachSource, Measured, Watch
from domain.commands import Flatten
from domain.market import FeedState, FeedStatus
from domain.order import BUY, OrderKind, Place
from domain.security import SecurityBreach
from domain.settings import SECOND_NS
from engine.core.state import State
from research.simulation import plan
from research.simulation.cast import BTC, BTC2, ETH, HAND, MAIN, MID, SUB

if TYPE_CHECKING:
    from research.simulation.world import World

PEOPLE_GAP_S = 12.0
MEASURED_NS = 4 * SECOND_NS
WELL_NS = 60 * SECOND_NS
"""How long after a strain it is still measured that all is well."""
SNAPSHOT_AGAIN_NS = 20_000_000


class Trouble:
    """Puts the plan on the world's agenda and carries it out."""

    def __init__(self, world: World) -> None:
        self.world = world

    def schedule(self) -> None:
        """Everything of the plan, the first start, and the first command of a person."""
        world, what = self.world, self.world.plan
        world.at(plan.BEGIN_NS, world.machine.boot)
        for crash in what.crashes:
            world.at(crash.at_ns, partial(world.machine.arm, crash))
        for at_ns, offset_ns in what.clock_jumps:
            world.at(at_ns, partial(self.jump, offset_ns))
        for outage in what.outages:
            world.at(outage.from_ns, partial(self.feed_down, outage))
        for at_ns in what.disk_full_ns:
            world.at(at_ns, self.fill_disk)
        for at_ns in what.snapshots_ns:
            world.at(at_ns, self.snapshot)
        for number, at_ns in enumerate(what.strangers_ns):
            world.at(at_ns, partial(self.stranger, number))
        for at_ns in what.strategy_faults_ns:
            world.at(at_ns, self.strategy_fault)
        for strain in what.strains:
            world.at(strain.from_ns, partial(self.strain, strain))
        for at_ns in what.breaches_ns:
            world.at(at_ns, self.breach)
        if what.overflow_ns:
            world.at(what.overflow_ns, self.overflow)
        if what.flattens:
            world.at(plan.FLATTEN_NS, self.flatten)
        self.people_later()

    def fill_disk(self) -> None:
        """From now on the disk refuses writes, until the process is started again; while none runs, nothing is."""
        if self.world.kernel is not None:
            self.world.machine.journal.fail()

    def snapshot(self) -> None:
        """A snapshot is written, once all before it is told: no projection is here to read the rest off the record."""
        kernel = self.world.kernel
        if kernel is not None and kernel.untold:
            self.world.at(self.world.now_ns + SNAPSHOT_AGAIN_NS, self.snapshot)
            return
        self.world.machine.alive(lambda kernel: kernel.snapshot())
        self.world.outcome.met["snapshot"] += 1

    def people_later(self) -> None:
        """The next command comes after a while."""
        gap_s = self.world.people.random.expovariate(1 / PEOPLE_GAP_S)
        self.world.at(self.world.now_ns + int(gap_s * SECOND_NS), self.people_act)

    def people_act(self) -> None:
        """Somebody does something."""
        world = self.world
        if world.now_ns > plan.FAULTS_END_NS:
            return
        state = world.kernel.core.state if world.kernel is not None else State()
        world.deliver(world.people.next_letter(state, world.clock_ns))
        self.people_later()

    def flatten(self) -> None:
        """A trader closes everything."""
        world = self.world
        world.deliver(world.people.letter(Flatten(reason="the day is over"), "dot", world.clock_ns))

    def jump(self, offset_ns: int) -> None:
        """The machine's clock is set."""
        back = offset_ns < self.world.clock_offset_ns
        self.world.outcome.met["clock back" if back else "clock forward"] += 1
        self.world.clock_offset_ns = offset_ns

    def feed_down(self, outage: plan.Outage) -> None:
        """Market data of a contract stops reaching the engine, which may be told."""
        world = self.world
        world.dark[outage.instrument] = outage.until_ns
        world.outcome.met["feed gap, told" if outage.is_told else "feed gap, silent"] += 1
        if outage.is_told:
            state = world.random.choice((FeedState.GAP, FeedState.STALE, FeedState.DOWN))
            world.ingest(FeedStatus(venue="PAPER", state=state, instrument=outage.instrument))

    def stranger(self, number: int) -> None:
        """Somebody places an order by hand, far from the market."""
        world = self.world
        account, instrument = world.random.choice((MAIN, SUB)), world.random.choice((BTC, BTC2, ETH))
        place = Place(
            cid=f"{HAND}{number}",
            account=account,
            instrument=instrument,
            side=BUY,
            kind=OrderKind.LIMIT,
            qty=100,
            price=MID[instrument] // 2,
        )
        world.outcome.met["order of a stranger"] += 1
        world.exchange.submit((place,), world.now_ns)

    def strategy_fault(self) -> None:
        """The watchdog saw a strategy overrun or hang."""
        world = self.world
        if world.kernel is not None and world.kernel.core.state.strategies:
            name = world.random.choice(list(world.kernel.core.state.strategies))
            world.outcome.met["strategy overran"] += 1
            fatal = world.random.random() < 0.3
            world.ingest(e.StrategyFault(strategy=name, problem="took 80 ms", quarantine=fatal))

    def overflow(self) -> None:
        """The inbox was full."""
        self.world.outcome.met["inbox overflow"] += 1
        self.world.ingest(e.InboxOverflow(depth=50_000))

    def strain(self, strain: plan.Strain) -> None:
        """A driver tells what it has measured; then, for once, that all is well again."""
        world = self.world
        is_over = world.now_ns >= strain.until_ns
        scope = "" if strain.watch is Watch.OVERLOAD else "PAPER"
        value = 0 if is_over else strain.value
        world.ingest(Measured(watch=strain.watch, scope=scope, value=value, count=strain.count))
        if world.now_ns < strain.until_ns + WELL_NS:
            world.at(world.now_ns + MEASURED_NS, partial(self.strain, strain))

    def breach(self) -> None:
        """A login link that is none, or a button that nobody made."""
        kind = self.world.random.choice((BreachSource.BUTTON, BreachSource.LOGIN))
        self.world.outcome.met["breach of security"] += 1
        self.world.ingest(SecurityBreach(source="the sky", text="it was forged", kind=kind))
