"""A whole study: from what a person asks for to the evidence.

ready = prepare(Asked(...), core)          # opens and checks everything, starts nothing
evidence = optimise(ready, url, runs=500, workers=2, on_progress=print)
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.errors import ConfigError, DataError, StrategyError
from domain.market import Bar, Book, FeedKind, Mark, MarketEvent, Trade
from domain.strategy import Params
from engine.strategies import registry
from research.backtest import ID
from research.fit import build_one
from research.market_data import DataKind, MarketData
from research.optimise.conclude import Beside, conclude
from research.optimise.database import Database
from research.optimise.definition import Definition
from research.optimise.evidence import Evidence, chosen_of, held
from research.optimise.explore import point
from research.optimise.job import Job, Run, Task
from research.optimise.objectives import objectives_of
from research.optimise.pool import LIMIT_S, Machines, Pool, Processes
from research.optimise.search import Progress, beside, search
from research.optimise.source import DataSource, open_source
from research.optimise.space import Space, parse, problem_with, space_of
from research.optimise.spans import cut
from research.optimise.study import Study
from research.plan import Plan, Tested
from research.prepare import BacktestSettings, prepare_plan
from research.provenance import code_hashes, data_hash

SECOND_NS = 1_000_000_000
MOST_NAME = 80
NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MOST_NAME - 1}}}")
"""Of a study: it is also a file's."""
MOST_WARMUP = 0.3
"""Share of the data that may be kept for the longest warm-up of the space."""
PROBED = 64
"""Points of the space whose warm-up is asked for, beside its corners."""
MOST_CORNERS = 6
"""Dimensions of which every corner is probed."""
PRICES = 1_000
"""Points of a price curve that is made of ticks."""
DEFAULTS, HELD_OUT = -1, -2


class Asked(Struct, frozen=True, kw_only=True):
    """What a person asks for."""

    name: str
    strategy: str
    sources: tuple[DataSource, ...]
    settings: BacktestSettings
    folder: str = ""
    space: str = ""
    params: dict[str, Any] = {}
    objective: str = "sharpe"
    across: Literal["whole", "median", "worst"] = "whole"
    runs: int = 100
    seed: int = 7
    sampler: Literal["tpe", "random", "nsga2"] = "tpe"
    even: float = 0.5
    """Share of the trials that are spread evenly, whatever comes out."""
    folds: int = 6
    held_out: float = 0.2
    embargo: float = 0.01
    prune: bool = True
    lag: int = 16
    least_trades: int = 30
    command: str = ""


class Ready(Struct, frozen=True, kw_only=True):
    """A study that can begin: its definition, the model of its parameters, and the sources as they were opened here."""

    definition: Definition
    model: type[Params]
    sources: tuple[MarketData, ...]


def prepare(asked: Asked) -> Ready:
    """Open and check everything. Raises `ConfigError`, `DataError` or `StrategyError` in words."""
    if not NAME.fullmatch(asked.name):
        raise ConfigError(
            f"--study {asked.name!r}: a to z, digits, dots, - and _ make a name, at most {MOST_NAME} of them"
        )
    folder = Path(asked.folder) if asked.folder else None
    loaded = registry.load(asked.strategy, folder)
    model = loaded.strategy.params_type
    if not asked.sources:
        raise ConfigError("say what to run over: --data FILE, --stored INSTRUMENT, or --simulated-hours H")
    sources = tuple(open_source(source, asked.settings.core) for source in asked.sources)
    fixed = dict(asked.params)
    intervals = [source.interval_ns for source in sources]
    if "interval_s" in model.model_fields and max(intervals) and "interval_s" not in parse(asked.space):
        fixed.setdefault("interval_s", max(intervals) // SECOND_NS)
    objectives = objectives_of(asked.objective)
    space = space_of(model, asked.space, fixed)
    unknown = [source.name for source in sources if not source.last_ns]
    if unknown:
        raise ConfigError(
            f"{unknown[0]}: it does not say how long it is; take it into the store (./moondev data import)"
        )
    first_ns, last_ns = max(source.first_ns for source in sources), min(source.last_ns for source in sources)
    longest, interval_ns = _warmup(asked, space, model, sources)
    start_ns = _begin(longest, sources, asked.settings, first_ns) if longest.warmup_bars else first_ns
    if not start_ns or start_ns - first_ns > MOST_WARMUP * (last_ns - first_ns):
        raise ConfigError(
            f"insufficient data: the space asks for up to {longest.warmup_bars} bars of warm-up, more than "
            f"{MOST_WARMUP:.0%} of the data: restrict --space, or take more data"
        )
    cuts = cut(start_ns, last_ns, blocks=asked.folds, held_out=asked.held_out, unit_ns=interval_ns or SECOND_NS)
    code, lock = code_hashes()
    task = Task(
        kind=asked.strategy,
        folder=asked.folder,
        sources=asked.sources,
        settings=asked.settings,
        cuts=cuts,
        objectives=tuple(objective.name for objective in objectives),
        across=asked.across,
        least_trades=asked.least_trades,
        code_hash=code,
        lock_hash=lock,
        strategy_hash=loaded.source_hash,
        data_hash=data_hash(sources),
    )
    definition = Definition(
        name=asked.name,
        task=task,
        space=space,
        seed=asked.seed,
        sampler=asked.sampler,
        explore=round(asked.runs * asked.even),
        lag=asked.lag,
        prune=asked.prune,
        embargo=asked.embargo,
        command=asked.command,
    )
    return Ready(definition=definition, model=model, sources=sources)


def again(definition: Definition) -> Ready:
    """What is needed to go on with a study that is known. Raises as `prepare`."""
    task = definition.task
    loaded = registry.load(task.kind, Path(task.folder) if task.folder else None)
    sources = tuple(open_source(source, task.settings.core) for source in task.sources)
    code, lock = code_hashes()
    here = replace(task, code_hash=code, lock_hash=lock, strategy_hash=loaded.source_hash, data_hash=data_hash(sources))
    return Ready(definition=replace(definition, task=here), model=loaded.strategy.params_type, sources=sources)


class Longest(Struct, frozen=True, kw_only=True):
    """Of the points that were probed the one with the longest warm-up; 0 bars where none has a past to warm up with."""

    tested: Tested
    warmup_bars: int = 0
    interval_ns: int = 0
    """Of its longest bars."""

    @property
    def span_ns(self) -> int:
        """How long its warm-up is."""
        return self.warmup_bars * self.interval_ns


def _warmup(asked: Asked, space: Space, model: type[Params], sources: Sequence[MarketData]) -> tuple[Longest, int]:
    """The longest warm-up that the space asks for, and the interval of the longest bars (0 = none)."""
    folder = Path(asked.folder) if asked.folder else None
    has_past = any(source.kind is DataKind.BARS for source in sources)
    interval_ns, refusal, found = 0, "", list[Longest]()
    ends = [(0.0, 1.0 - 1e-9)] * len(space.dimensions)
    corners = list(product(*ends)) if len(ends) <= MOST_CORNERS else [tuple(end[at] for end in ends) for at in (0, 1)]
    spread = [tuple(point(asked.seed, index, len(ends))) for index in range(PROBED)]
    for where in (*corners, *spread):
        params = space.params(space.at(where))
        if refusal := problem_with(model, params):
            continue
        tested = Tested(id=ID, kind=asked.strategy, params=params, folder=folder)
        try:
            built = build_one(tested, sources, asked.settings.core, {})
        except StrategyError as error:
            refusal = str(error)
            continue
        bars = max((feed.interval_ns for feed in built.code.feeds() if feed.kind is FeedKind.BAR), default=0)
        interval_ns = max(interval_ns, bars)
        warm = built.warmup_bars if has_past else 0
        found.append(Longest(tested=tested, warmup_bars=warm, interval_ns=bars))
    if not found:
        raise StrategyError(
            f"{asked.strategy} refuses every combination of the space that was looked at: {refusal}; name what is "
            "missing in --params, or choose another --space"
        )
    return max(found, key=lambda each: each.span_ns), interval_ns


def _begin(longest: Longest, sources: Sequence[MarketData], settings: BacktestSettings, first_ns: int) -> int:
    """When every trial begins: at the close of the first bar that the one with the longest warm-up decides on.

    Its own preparation says which bar that is, with gaps, bars that are cut off and the feed's latency in it: a bar of
    the warm-up that comes after this instant would be the first of another trial. 0 = the data end before.
    """
    try:
        prepared = prepare_plan(Plan(strategies=(longest.tested,)), sources, settings)
    except DataError:
        return 0
    bar_ns = longest.interval_ns
    return first_ns + (prepared.first_ns - first_ns) // bar_ns * bar_ns


def optimise(
    ready: Ready,
    url: str,
    *,
    runs: int,
    open_pool: Callable[[Task], Pool],
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Evidence:
    """Bring a study to so many runs and judge it; interrupted, what came is kept and `optimise` again goes on.

    `open_pool` makes what runs the trials; see `pool_of`.
    """
    with closing(Database(url)) as database, database.speaking():
        study = Study(database, ready.definition, ready.model)
        try:
            with closing(open_pool(study.definition.task)) as pool:
                study.note("runs", max(runs, int(study.noted("runs") or 0)))
                search(study, pool, runs, on_progress)
                evidence = look(study, pool, ready)
                database.check()
                return evidence
        finally:
            study.leave()


def pool_of(workers: int = 0, dask: str = "", limit_s: float = LIMIT_S) -> Callable[[Task], Pool]:
    """So many processes of this machine (0 = one a core), or the workers of Dask's scheduler at `dask`.

    A process that is longer at one trial than `limit_s` is ended.
    """
    if dask:
        return lambda task: Machines(task, dask, limit_s)
    return lambda task: Processes(task, workers or os.cpu_count() or 1, limit_s)


def look(study: Study, pool: Pool, ready: Ready) -> Evidence:
    """Run what stands beside the trials, and conclude. What is held out is looked at, and that is counted."""
    definition = study.definition
    defaults = _defaults(study, pool, ready)
    labels = _to_hold_out(study, defaults)
    known: dict[str, Any] = study.noted("held_out") or {}
    stored = {label: msgspec.convert(run, Run) for label, run in known.get("runs", {}).items()}
    looks = int(known.get("looks", 0))
    missing = {label: params for label, params in labels.items() if stored.get(label, _NO_RUN).params != params}
    if missing:
        jobs = [
            Job(number=HELD_OUT - index, params=params, is_held_out=True)
            for index, params in enumerate(missing.values())
        ]
        stored |= dict(zip(missing, beside(pool, jobs), strict=True))
        looks += 1
        kept = {label: msgspec.to_builtins(run) for label, run in stored.items()}
        study.note("held_out", {"runs": kept, "looks": looks})
    evidence = conclude(definition, study.trials, beside_of(ready, defaults, stored, looks))
    study.note("evidence", msgspec.json.encode(evidence).decode())
    return evidence


_NO_RUN = Run(number=0, params={"": None}, state="failed")


def _defaults(study: Study, pool: Pool, ready: Ready) -> Run | None:
    """What the default parameters do over the study: beside the trials, because nobody tried them on purpose."""
    stored = study.noted("defaults")
    if stored is not None:
        return msgspec.convert(stored, Run)
    params = dict(study.definition.space.fixed)
    if problem_with(ready.model, params):
        return None
    (run,) = beside(pool, [Job(number=DEFAULTS, params=params)])
    study.note("defaults", msgspec.to_builtins(run))
    return run


def _to_hold_out(study: Study, defaults: Run | None) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    chosen = chosen_of(study.definition, study.trials)
    if chosen is not None:
        space = study.definition.space
        found = {"chosen": space.params(chosen[0].values), "best": space.params(chosen[2].values)}
    if defaults is not None and defaults.state == "complete":
        found["defaults"] = defaults.params
    return found


def beside_of(ready: Ready, defaults: Run | None, held_out: dict[str, Run], looks: int) -> Beside:
    """What stands beside the trials, with buying and holding the instruments over the same times."""
    cuts = ready.definition.task.cuts
    sources = {source.instrument.id: source for source in ready.sources}
    prices = {name: prices_of(source) for name, source in sources.items()}
    fees = {name: float(source.instrument.taker_fee) for name, source in sources.items()}
    return Beside(
        defaults=defaults,
        held_out=held_out,
        held_studied=held(prices, cuts.start_ns, cuts.held_out_ns, cuts, fees),
        held_held_out=held(prices, cuts.held_out_ns, cuts.end_ns, cuts, fees),
        looks=looks,
    )


def prices_of(source: MarketData) -> list[tuple[int, float]]:
    """What the instrument cost over time: every close, of ticks about a thousand prices."""
    scale, found, next_ns = source.instrument.price_scale, list[tuple[int, float]](), 0
    apart_ns = 0 if source.interval_ns else (source.last_ns - source.first_ns) // PRICES
    for event in source.tape(0, source.interval_ns) if source.interval_ns else source.tape(0):
        if event.ts_ns >= next_ns and (price := price_in(event)):
            found.append((event.ts_ns, price / scale))
            next_ns = event.ts_ns + apart_ns
    return found


def price_in(event: MarketEvent) -> float:
    """The price that an event shows, in ticks; 0 = none."""
    if isinstance(event, Bar):
        return event.close
    if isinstance(event, Trade | Mark):
        return event.price
    if isinstance(event, Book):
        return (event.bids[0][0] + event.asks[0][0]) / 2 if event.bids and event.asks else 0.0
    return (event.bid + event.ask) / 2 if event.bid and event.ask else 0.0
