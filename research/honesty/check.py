"""All checks of a strategy, one after the other, and the verdict.

verdict = check_strategy(StrategyRequest(kind="turtle"), [data], BacktestSettings(core=...))
print(verdict.light, verdict.sentence())
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from domain.errors import StrategyError
from domain.text import error_text
from research.backtest import BacktestSettings, StrategyRequest, plan_of
from research.honesty import (
    ahead,
    costs,
    drift,
    labels,
    likeness,
    luck,
    luggage,
    reach,
    repaint,
    state,
    universe,
    warmup,
)
from research.honesty.case import Case, only_one
from research.honesty.verdict import Evidence, Finding, Light, Verdict
from research.market_data import MarketData
from research.plan import Plan, Tested

Progress = Callable[[str, int, int], None]
"""Name of the check that begins, its number from 1, how many there are."""


class Depth(Struct, frozen=True, kw_only=True):
    """How much is tried: cuts of the tape, markets of noise, parameters to the side."""

    cuts: int = 8
    noises: int = 8
    neighbours: int = 60


FULL = Depth()
QUICK = Depth(cuts=3, noises=5, neighbours=20)


class Check(NamedTuple):
    """One check: what it catches and what it cannot, as the documentation says it."""

    name: str
    find: Callable[[Case, Depth], Finding]
    catches: str
    cannot: str
    needs: str = ""
    """`decisions` or `fills`, without which there is nothing to look at; "" = nothing."""


CHECKS = (
    Check(
        "runs",
        lambda case, _: state.runs(case),
        "a strategy that fails on the way, decides nothing, or is refused what it wants",
        "a failure that only other data brings up",
    ),
    Check(
        "reach",
        lambda case, _: reach.calls(case),
        "files, clocks, random numbers, network, frames and modules that the strategy's own file calls",
        "what a helper of ours does deeper inside; code that hides until later than the first 500 events",
    ),
    Check(
        "brought along",
        lambda case, _: luggage.find(case),
        "prices of the tape, or mean, deviation and extremes of all of it, in the file or the parameters, also where "
        "they are put together; tables: long lists, long whole numbers, twenty odd numbers, more bits of numbers "
        "and texts than four a decision, or 256",
        "a table that is small, or written as words (`calendar`, `warm-up`, `exact prices` catch what is looked up); "
        "which prices of books and trades it holds",
    ),
    Check(
        "look-ahead",
        lambda case, depth: ahead.future(case, depth.cuts),
        "decisions that change when the future is cut off or another one: future rows, centred and two-sided kernels, "
        "moving pivots, normalisation over everything",
        "a future that does not come from the tape but was brought along",
        "decisions",
    ),
    Check(
        "repaint",
        lambda case, _: repaint.find(case),
        "functions in its file that draw the past anew (two-sided kernels, centred averages, zig-zags), and lines "
        "drawn so over the whole tape and brought along",
        "a line whose function is not in the file (`warm-up`, `calendar` and `too good to be true` see it)",
    ),
    Check(
        "bar labels",
        lambda case, _: labels.find(case),
        "bars that are shown before they are over: resampled or stamped at the wrong end",
        "a single series of bars: then nothing tells which end its times are of",
    ),
    Check(
        "universe",
        lambda case, _: universe.find(case),
        "instruments chosen by looking at the end: survivors, winners, later listings",
        "instruments that no source has: what was deleted everywhere cannot be missed",
    ),
    Check(
        "calendar",
        lambda case, _: ahead.calendar(case),
        "anything looked up by date or time stamp",
        "what is looked up by bar number (`warm-up` does) or by price (`other units` and `exact prices` do)",
        "decisions",
    ),
    Check(
        "other units",
        lambda case, _: likeness.units(case),
        "levels and lookups by price or volume, however they are hidden: it decides otherwise where all of them are "
        "some number of times as high and the contract as much smaller",
        "a figure that has no unit, such as the deviation of all returns (`brought along` knows the usual ones); "
        "quotes on both sides; code that was written to find out how many times",
        "decisions",
    ),
    Check(
        "exact prices",
        lambda case, _: likeness.hair(case),
        "lookups by prices, ratios of prices or volumes, rules that a tick turns round, and profit that is gone beside "
        "the tape although the decisions are not",
        "a coarse shape that was learnt (`brought along` counts what a file can hold), books and trades",
        "decisions",
    ),
    Check(
        "follows the market",
        lambda case, _: ahead.mirror(case),
        "decisions that do not depend on prices",
        "trading by the clock on purpose looks the same: therefore amber",
        "decisions",
    ),
    Check(
        "too good to be true",
        lambda case, _: ahead.foresight(case),
        "trades that are right as only foresight is",
        "a cheat that is modest",
        "fills",
    ),
    Check(
        "restart",
        lambda case, _: state.restart(case),
        "state outside the memory: module variables, class and self attributes, closures; memory that cannot be saved",
        "state that never mattered on this tape",
        "decisions",
    ),
    Check(
        "run again",
        lambda case, _: state.again(case),
        "randomness, clocks, what one run leaves for the next",
        "a clock that is looked at by the year",
        "decisions",
    ),
    Check(
        "other processes",
        lambda case, _: state.seeds(case),
        "order of sets, hash(), id()",
        "an order that two hash seeds happen to share with this process",
        "decisions",
    ),
    Check(
        "warm-up",
        lambda case, _: warmup.sufficient(case),
        "recursive indicators that are not warm after the declared bars; decisions that depend on how long it has run",
        "strategies on books and trades, which have no history to warm up with",
        "decisions",
    ),
    Check(
        "cold start",
        lambda case, _: warmup.cold_start(case),
        "a result that depends on the day it was switched on",
        "runs too short to come together again",
        "decisions",
    ),
    Check(
        "live",
        lambda case, _: drift.live(case),
        "a strategy that does otherwise through the live engine loop, feed, conflator and paper venue on the same tape",
        "what a real exchange does otherwise than the paper one; anything after the first 4,000 events or 30 days",
        "decisions",
    ),
    Check(
        "late bars",
        lambda case, _: drift.late(case),
        "decisions by how long after its close a bar comes",
        "strategies on books and trades",
        "decisions",
    ),
    Check(
        "costs",
        lambda case, _: costs.fees(case),
        "profit that fees or slippage would take; contracts that cost nothing",
        "market impact: paper orders move nobody's price",
        "fills",
    ),
    Check(
        "latency",
        lambda case, _: costs.latency(case),
        "profit that is gone when orders come later",
        "latency that grows just when it matters",
        "fills",
    ),
    Check(
        "fills",
        lambda case, _: costs.fill_models(case),
        "orders that fill in the bar that was decided on; profit that only one model of fills makes",
        "queues: only a tape of the book has them",
        "fills",
    ),
    Check(
        "stops inside bars",
        lambda case, _: costs.stops(case),
        "stop and take-profit inside one bar, where the order of the two is made up",
        "stops that the strategy keeps to itself and trades by targets",
        "fills",
    ),
    Check(
        "noise",
        lambda case, depth: luck.noise(case, depth.noises),
        "profit on shuffled bars, where there is nothing to earn: fills that are too good",
        "books and trades, of which no honest noise can be made",
        "fills",
    ),
    Check(
        "few trades",
        lambda case, _: luck.few(case),
        "a profit that a few trades make",
        "many trades that are one bet",
        "fills",
    ),
    Check(
        "parameters",
        lambda case, depth: luck.parameters(case, depth.neighbours),
        "parameters that sit on a peak",
        "rules that were chosen by looking, which have no number",
        "fills",
    ),
)


def check_strategy(
    plan: Plan | StrategyRequest,
    sources: Sequence[MarketData],
    settings: BacktestSettings,
    depth: Depth = FULL,
    on_progress: Progress | None = None,
    only: Iterable[str] = (),
    everything: Sequence[MarketData] = (),
) -> Verdict:
    """Judge one strategy on its sources. `only` names the checks to make; none = all. `everything` is the universe.

    A file that the loader refuses is a red finding; raises `DataError` for data that cannot be used, `StrategyError`
    for parameters that do not fit.
    """
    if isinstance(plan, StrategyRequest):
        plan = replace(plan_of(plan), joins=len(sources) >= universe.LEAST)
    tested = only_one(plan)
    subject = f"{tested.kind} on {', '.join(dict.fromkeys(source.instrument.id for source in sources))}"
    refused = refusal(tested)
    if refused is not None:
        return Verdict(subject=subject, data=tuple(each.name for each in sources), findings=(refused,))
    case = Case(plan, sources, settings, everything=everything)
    wanted = frozenset(only)
    checks = [check for check in CHECKS if not wanted or check.name in wanted]
    findings: list[Finding] = []
    for number, check in enumerate(checks, 1):
        if on_progress is not None:
            on_progress(check.name, number, len(checks))
        began = time.perf_counter()
        finding = made(check, case, depth)
        findings.append(replace(finding, wall_s=round(time.perf_counter() - began, 2)))
    return Verdict(
        subject=subject,
        data=case.names,
        findings=tuple(findings),
        source_hash=case.loaded.source_hash,
        params=case.fresh().params.model_dump(),
        sha256=tuple(source.sha256 for source in case.sources),
    )


def made(check: Check, case: Case, depth: Depth) -> Finding:
    """One check, where there is anything to look at."""
    try:
        lacks = {"decisions": not case.plain().trace.decisions, "fills": not case.plain().fills}.get(check.needs, False)
        if lacks:
            claim = "it decided nothing" if not case.plain().trace.decisions else "it traded nothing"
            return Finding(check=check.name, light=Light.GREY, claim=f"{claim}: there is nothing to look at")
        return check.find(case, depth)
    except Exception as error:  # noqa: BLE001 - one check that fails takes no other along, and no verdict
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Finding(
            check=check.name,
            light=Light.AMBER,
            claim=f"could not be judged: {error_text(error)}",
            advice="What is not judged is not green. If the strategy does not raise this itself, report it.",
            evidence=(Evidence(first_in=f"{Path(where.filename).name}, line {where.lineno}", first=where.name),),
        )


def refusal(tested: Tested) -> Finding | None:
    """Why the loader does not take the file, as a finding; None = it does."""
    from engine.strategies import registry

    try:
        registry.load(tested.kind, tested.folder)
    except StrategyError as error:
        if ".py" not in str(error):
            raise
        return Finding(
            check="reach",
            light=Light.RED,
            claim=f"the loader refuses it: {error}",
            advice="Mend the file; the other checks are made once it can be loaded.",
        )
    return None
