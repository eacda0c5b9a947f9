"""One run of a study: parameters in, pieces out. A process opens and checks the data once, and its runs share it.

The run is `moondev backtest`'s: prepared by the same code, on the same engine, exchange and driver, with the same
fills. What a study does not look at (exposure, prices at each sample) is left out; what decides is not.
"""

from __future__ import annotations

import gc
import os
import socket
import time
import traceback
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from domain.errors import DataError, MoonDevError, StrategyError
from domain.facts import FillBooked, StrategyStatus
from domain.instrument import ZERO, InstrumentId
from domain.market import MarketEvent
from domain.order import Intent
from engine.core.core import Core
from engine.core.recovery import state_hash
from engine.strategies import registry
from exchanges.paper.config import PaperConfig
from research.backtest import ID, begin
from research.market_data import DataKind, MarketData
from research.optimise.objectives import OBJECTIVES, Objective
from research.optimise.pieces import Block, Pieces, Turned, blocks_of, longest, part, steps_of
from research.optimise.source import DataSource, open_source
from research.optimise.spans import Cuts
from research.plan import Plan, Tested
from research.prepare import BacktestSettings, Prepared, open_tape, prepare_plan
from research.provenance import code_hashes, data_hash
from research.record import Recorder

MOST_EVENTS = 2_000_000
"""Events of all tapes that a process keeps: half a gigabyte of bars."""
Intervals = tuple[tuple[InstrumentId, tuple[int, ...]], ...]
State = Literal["complete", "pruned", "unfit", "failed"]


class Task(Struct, frozen=True, kw_only=True):
    """What a process has to know before its first run, and the hashes of what it must find."""

    kind: str
    folder: str
    sources: tuple[DataSource, ...]
    settings: BacktestSettings
    cuts: Cuts
    objectives: tuple[str, ...]
    across: Literal["whole", "median", "worst"]
    least_trades: int
    code_hash: str
    lock_hash: str
    strategy_hash: str
    data_hash: str

    def plan(self, params: dict[str, Any], *, is_held_out: bool = False) -> Plan:
        """What `run_plan` would run for a trial."""
        cuts = self.cuts
        folder = Path(self.folder) if self.folder else None
        return Plan(
            strategies=(Tested(id=ID, kind=self.kind, params=params, folder=folder),),
            start_ns=cuts.held_out_ns if is_held_out else cuts.start_ns,
            end_ns=cuts.end_ns if is_held_out else cuts.held_out_ns - 1,
        )


class Job(Struct, frozen=True, kw_only=True):
    """Parameters to run. `least` has, for each block's end, the value below which the run is given up (None = none).

    `is_held_out`: run over what is held out, as a single block, instead of the study.
    """

    number: int
    params: dict[str, Any]
    least: tuple[float | None, ...] = ()
    is_held_out: bool = False


class Run(Struct, frozen=True, kw_only=True):
    """What came of a job.

    state: complete; pruned (it fell behind); unfit (it cannot be judged); failed (its code, or the process, broke).
    `values` are those of the objectives over what was run, also when it was pruned.
    """

    number: int
    params: dict[str, Any]
    state: State
    reason: str = ""
    values: tuple[float | None, ...] = ()
    so_far: tuple[float | None, ...] = ()
    """The first objective at the end of each block."""
    pieces: Pieces | None = None
    pnl: str = ""
    orders: int = 0
    fills: int = 0
    trades: int = 0
    events: int = 0
    refusals: dict[str, int] = {}
    same_as: int | None = None
    """The number whose result this is: the same parameters had been run before."""
    run_id: str = ""
    effects_hash: str = ""
    state_hash: str = ""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    host: str = ""


class TrialRecorder(Recorder):
    """Keeps of a run what its pieces are made of."""

    def __init__(self, core: Core) -> None:
        """Nothing yet."""
        super().__init__(core)
        self.turned: list[Turned] = []

    def sent(self, intents: Sequence[Intent]) -> None:
        """No slippage is told of a trial."""

    def _fill(self, fact: FillBooked) -> None:
        super()._fill(fact)
        unit = self._core.instruments[fact.instrument].unit
        self.turned.append((fact.ts_ns, float(fact.price * fact.qty * unit), float(fact.fee)))

    def sample(self, equity: Any) -> None:  # noqa: ANN401 - a Decimal, as in the base
        """What everything is worth now."""
        self.equity.append((self._core.state.ts_ns, equity))


class Shared:
    """The tape of the sources in memory, made once for each choice of bar intervals and played by many runs.

    Only bars and marks are shared: of what is conflated the events are stamped anew as they pass. The tapes that were
    played last are kept, up to `most` events of all of them together, and always one.
    """

    def __init__(self, most: int = MOST_EVENTS) -> None:
        """Nothing is read yet."""
        self._most = most
        self._kept: dict[Intervals, tuple[list[MarketEvent], int]] = {}
        """By bar intervals the events and when every source has begun; the one that was played last is last."""

    @property
    def events(self) -> int:
        """Events in memory."""
        return sum(len(events) for events, _ in self._kept.values())

    def open(
        self,
        plan: Plan,
        sources: Sequence[MarketData],
        paper: dict[str, PaperConfig],
        intervals_ns: dict[InstrumentId, tuple[int, ...]],
    ) -> tuple[Iterator[MarketEvent], int]:
        """As `open_tape`."""
        if any(source.kind is not DataKind.BARS for source in sources):
            return open_tape(plan, sources, paper, intervals_ns)
        key = tuple(sorted(intervals_ns.items()))
        found = self._kept.pop(key, None)
        if found is None:
            tape, begun_ns = open_tape(replace(plan, start_ns=0, end_ns=0), sources, paper, intervals_ns)
            found = list(tape), begun_ns
            gc.collect()
            gc.freeze()  # what stays for many runs is not to be looked through at every collection
        self._kept[key] = found
        while len(self._kept) > 1 and self.events > self._most:
            del self._kept[next(iter(self._kept))]
        events, begun_ns = found
        stop = bisect_right(events, plan.end_ns, key=_time_of) if plan.end_ns else len(events)
        return islice(events, stop), begun_ns


def _time_of(event: MarketEvent) -> int:
    return event.ts_ns


class Bench:
    """The data of a study in one process, ready to be run over."""

    def __init__(self, task: Task) -> None:
        """Open and check everything. Raises `MoonDevError` where it is other data or code than the study's."""
        self.task = task
        self.objectives = tuple(OBJECTIVES[name] for name in task.objectives)
        self.sources = tuple(open_source(source, task.settings.core) for source in task.sources)
        self._check()
        self._shared = Shared()
        self._host = f"{socket.gethostname()}:{os.getpid()}"

    def _check(self) -> None:
        task = self.task
        folder = Path(task.folder) if task.folder else None
        here = (*code_hashes(), registry.load(task.kind, folder).source_hash, data_hash(self.sources))
        asked = (task.code_hash, task.lock_hash, task.strategy_hash, task.data_hash)
        names = ("the program", "the locked dependencies", "the strategy", "the data")
        for name, found, wanted in zip(names, here, asked, strict=True):
            if found != wanted:
                raise MoonDevError(
                    f"{socket.gethostname()}, process {os.getpid()}: {name} differs from the study's "
                    f"({found[:12] or 'none'} here, {wanted[:12]} there): a study is of one code and one data"
                )

    def run(self, job: Job) -> Run:
        """Run one job; what cannot be run comes back as a state with its reason."""
        began, began_cpu = time.perf_counter(), time.process_time()
        try:
            done = self._run(job)
        except (StrategyError, DataError) as error:
            done = Run(number=job.number, params=job.params, state="unfit", reason=str(error))
        except Exception as error:  # noqa: BLE001 - whatever broke, the other trials do not wait for it
            traceback.print_exc()  # a defect: the study goes on, and says so
            done = Run(number=job.number, params=job.params, state="failed", reason=f"{type(error).__name__}: {error}")
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
        return replace(done, wall_s=wall_s, cpu_s=cpu_s, host=self._host)

    def _run(self, job: Job) -> Run:
        cuts = self.task.cuts
        plan = self.task.plan(job.params, is_held_out=job.is_held_out)
        prepared = prepare_plan(plan, self.sources, self.task.settings, self._shared.open)
        if prepared.warm and prepared.warm[-1].ts_ns >= plan.start_ns:
            return Run(number=job.number, params=job.params, state="unfit", reason="its warm-up is too long")
        edges = (cuts.held_out_ns, cuts.end_ns) if job.is_held_out else cuts.edges
        return _Trial(self, job, prepared, edges).run()

    def value(self, objective: Objective, pieces: Pieces) -> float | None:
        """The figure of one objective over pieces: of all of them, or the middle or worst of the blocks."""
        year = self.task.cuts.steps_a_year
        if self.task.across == "whole" or len(pieces.blocks) == 1:
            return objective.of(pieces, year)
        each = [objective.of(part(pieces, (block,)), year) for block in range(len(pieces.blocks))]
        known = [value for value in each if value is not None]
        if not known:
            return None
        if self.task.across == "median":
            return float(median(known))
        return min(known) if objective.is_more_better else max(known)


class _Trial:
    """One job under way: its driver has started, its tape is still to be played."""

    def __init__(self, bench: Bench, job: Job, prepared: Prepared, edges: Sequence[int]) -> None:
        self.bench, self.job, self.prepared, self.edges = bench, job, prepared, edges
        self.driver, self.recorder = begin(prepared, TrialRecorder)
        self.deposit = sum((account.deposit for account in prepared.core.accounts), start=ZERO)
        self.events = 0
        self.so_far: list[float | None] = []
        self.blocks: list[Block] = []
        self.longest_steps = 0
        self._counted = 0, 0
        """Fills and round trips that are in the blocks."""

    def run(self) -> Run:
        """Block by block."""
        driver, tape, held = self.driver, self.prepared.tape, list[MarketEvent]()
        last = len(self.edges) - 1
        for block in range(1, last + 1):
            edge_ns = self.edges[block] if block < last else 2**63 - 1
            self.events += driver.play(_before(tape, edge_ns, held))
            self._close(block)
            if driver.core.state.strategies[ID].status is StrategyStatus.QUARANTINED:
                return self._made("failed", driver.core.state.strategies[ID].detail)
            self.so_far.append(self.bench.value(self.bench.objectives[0], self._pieces()))
            if block < last and (reason := self._behind()):
                return self._made("pruned", reason)
        return self._ended()

    def _ended(self) -> Run:
        trades, least = len(self.recorder.trades), self.bench.task.least_trades
        if not self.job.is_held_out and trades < least:
            return self._made("unfit", f"{trades} round trips, at least {least} are asked for")
        return self._made("complete", "")

    def _close(self, block: int) -> None:
        """A block is over: what everything is worth, whether or not the run goes on, and what came to be in it."""
        core, recorder = self.driver.core, self.recorder
        recorder.sample(sum((core.equity(account) for account in core.state.accounts), start=ZERO))
        fills, trips = self._counted
        trades = recorder.trades[trips:]
        self.blocks += blocks_of(recorder.turned[fills:], trades, self.edges[block - 1 : block + 1])
        self.longest_steps = max(self.longest_steps, longest(trades, self.bench.task.cuts.step_ns))
        self._counted = len(recorder.turned), len(recorder.trades)

    def _pieces(self) -> Pieces:
        step_ns = self.bench.task.cuts.step_ns
        edges = self.edges[: len(self.blocks) + 1]
        # what is held out is no whole number of steps: its last, cut one is left out
        whole = edges[0] + (edges[-1] - edges[0]) // step_ns * step_ns
        return Pieces(
            returns=tuple(steps_of(self.recorder.equity, self.deposit, (edges[0], whole), step_ns).tolist()),
            blocks=tuple(self.blocks),
            deposit=float(self.deposit),
            longest_steps=self.longest_steps,
        )

    def _behind(self) -> str:
        """Why a run is given up after the blocks so far, "" = it is not."""
        value, block, job = self.so_far[-1], len(self.so_far), self.job
        least = job.least[block - 1] if block <= len(job.least) else None
        if least is None or value is None:
            return ""
        objective = self.bench.objectives[0]
        if (value - least) * objective.sign >= 0:
            return ""
        return f"{objective.text(value)} after {block} blocks, behind the best third ({objective.text(least)})"

    def _made(self, state: State, reason: str) -> Run:
        core, recorder, bench = self.driver.core, self.recorder, self.bench
        pieces = self._pieces()
        equity = sum((core.equity(account) for account in core.state.accounts), start=ZERO)
        return Run(
            number=self.job.number,
            params=self.job.params,
            state=state,
            reason=reason,
            values=tuple(bench.value(objective, pieces) for objective in bench.objectives),
            so_far=tuple(self.so_far),
            pieces=pieces,
            pnl=f"{equity - self.deposit:f}",
            orders=self.driver.placed,
            fills=recorder.fills,
            trades=len(recorder.trades),
            events=self.events,
            refusals=dict(sorted(recorder.refusals.items())),
            run_id=self.prepared.terms.provenance.run_id,
            effects_hash=core.state.effects_hash.hex(),
            state_hash=state_hash(core.state),
        )


def _before(tape: Iterator[MarketEvent], edge_ns: int, held: list[MarketEvent]) -> Iterator[MarketEvent]:
    """Events of a tape that come before a time; the first that does not is kept in `held` for the next call."""
    if held:
        if held[0].ts_ns >= edge_ns:
            return
        yield held.pop()
    for event in tape:
        if event.ts_ns >= edge_ns:
            held.append(event)
            return
        yield event
