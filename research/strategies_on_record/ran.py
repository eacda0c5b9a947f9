"""A run of a strategy, or several put one after the other, with its measures."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from research.backtest import BacktestSettings, run_plan
from research.market_data import MarketData
from research.measures import Measures, Record, measure_record, record_of
from research.measures.numbers import percent
from research.plan import Plan, Tested
from research.result import Result
from research.strategies_on_record.cases import CORE

DEPOSIT = 100_000
HELD_BACK = 0.4
"""Share of the data that nothing may be chosen by: its last part."""
SEED = 7
"""Of what is drawn: resampling, parameters that are tried, made-up markets."""
SETTINGS = BacktestSettings(core=CORE, deposit=Decimal(DEPOSIT))


class Part(Struct, frozen=True, kw_only=True):
    """What a strategy did over a part of its data. `run_ids` has one for each run that it is made of."""

    label: str
    measures: Measures
    run_ids: tuple[str, ...]
    start_ns: int
    end_ns: int


def run(kind: str, params: dict[str, Any], sources: Sequence[MarketData], start_ns: int = 0, end_ns: int = 0) -> Result:
    """One run; 0 = from the beginning, to the end. Raises as `run_plan`."""
    plan = Plan(strategies=(Tested(id=kind, kind=kind, params=params),), start_ns=start_ns, end_ns=end_ns, seed=SEED)
    return run_plan(plan, sources, SETTINGS).result


def part_of(label: str, results: Sequence[Result], tries: int = 1) -> Part:
    """The measures of runs that follow each other, as if one account had had them all."""
    return Part(
        label=label,
        measures=measure_record(stitched(results), tries, SEED),
        run_ids=tuple(result.provenance.run_id for result in results),
        start_ns=results[0].first_ns,
        end_ns=results[-1].last_ns,
    )


def parts_of(kind: str, params: dict[str, Any], sources: Sequence[MarketData], *, is_whole: bool) -> list[Part]:
    """In sample and out of sample, each a run of its own that is warmed up by what comes before; or the whole."""
    if is_whole:
        return [part_of("whole", [run(kind, params, sources)])]
    first_ns, last_ns = max(source.first_ns for source in sources), min(source.last_ns for source in sources)
    split_ns = last_ns - int((last_ns - first_ns) * HELD_BACK)
    return [
        part_of(f"first {percent(1 - HELD_BACK, digits=0)}", [run(kind, params, sources, end_ns=split_ns - 1)]),
        part_of(f"last {percent(HELD_BACK, digits=0)}", [run(kind, params, sources, start_ns=split_ns)]),
    ]


def stitched(results: Sequence[Result]) -> Record:
    """The record of runs one after the other: each goes on with the equity that the one before left."""
    first, *later = [record_of(result) for result in results]
    for record in later:
        gained = float(first.samples[-1][1]) - first.deposit
        first = replace(
            first,
            samples=(*first.samples, *((ts_ns, float(equity) + gained) for ts_ns, equity in record.samples)),
            trades=(*first.trades, *record.trades),
            fees=(first.fees or 0.0) + (record.fees or 0.0),
            funding=first.funding + record.funding,
            traded=(first.traded or 0.0) + (record.traded or 0.0),
            slippage=None,
            time_in_market=None,
            gross=(*first.gross, *record.gross),
            net=(*first.net, *record.net),
            prices={name: (*first.prices[name], *record.prices.get(name, ())) for name in first.prices},
            carry={name: carry + record.carry.get(name, 0.0) for name, carry in first.carry.items()},
        )
    return first
