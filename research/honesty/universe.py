"""Was the universe chosen by looking at the end? What was traded, beside everything that could have been.

`everything` are all instruments that were there at the time, those that ended included: a folder of files, a store. The
chosen ones may be the sources of the test, or what the strategy picked from all it was given.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import combinations, islice
from math import comb

from msgspec import Struct
from msgspec.structs import replace

from domain.errors import DataError, StrategyError
from domain.market import Bar
from research.honesty.case import Case
from research.honesty.verdict import Evidence, Finding, Light
from research.market_data import DataKind, MarketData

NAME = "universe"
LEAST = 4
"""Instruments below which there is no universe to choose from."""
LATE = 0.05
"""Part of the whole span by which data may begin late or end early."""
DRAWS = 5_000
RUNS = 12
"""Random universes, or single instruments, that are run."""
MANY = 10
"""Other choices from which on it says something that none did as well."""
CHANCE = 0.05
"""Below this, luck is no explanation."""


class Listed(Struct, frozen=True, kw_only=True):
    """One instrument's life: first and last time, what its price did from one to the other (0.1 = +10 %)."""

    id: str
    first_ns: int
    last_ns: int
    change: float


def find(case: Case) -> Finding:
    """Compare what is traded with everything there is."""
    lives = [life(source) for source in pool(case)]
    if len(lives) < LEAST:
        claim = f"{len(lives)} instruments are known: --universe shows whether these were picked from more"
        return Finding(check=NAME, light=Light.GREY, claim=claim)
    wanted = traded(case)
    chosen = [each for each in lives if each.id in wanted]
    if not chosen or len(chosen) == len(lives):
        claim = f"it trades all {len(lives)} instruments that there are" if chosen else "it trades none of the universe"
        return Finding(check=NAME, light=Light.GREEN if chosen else Light.GREY, claim=claim)
    return judged(case, chosen, lives)


def pool(case: Case) -> list[MarketData]:
    """Everything that could have been traded instead: bars in the same currency, of the time of the test."""
    first_ns = min(source.first_ns for source in case.sources)
    last_ns = max(source.last_ns for source in case.sources)
    quotes = {source.instrument.quote for source in case.sources}
    found = {
        source.instrument.id: source
        for source in case.everything or case.sources
        if source.kind is DataKind.BARS and source.instrument.quote in quotes
    }
    return [source for source in found.values() if source.first_ns < last_ns and source.last_ns > first_ns]


def judged(case: Case, chosen: Sequence[Listed], lives: Sequence[Listed]) -> Finding:
    """Survivors, winners, and profit against other universes of the same size."""
    ended, listed = dead(lives), late(lives)
    alive = chance_of_none(len(lives), len(ended), len(chosen)) if not any(each in ended for each in chosen) else 1.0
    picked = chance([each.change for each in chosen], [each.change for each in lives])
    mine, others = profits(case, chosen)
    better = sum(other >= mine for other in others) / len(others) if others else 1.0
    figures = {
        "instruments": len(lives),
        "chosen": len(chosen),
        "ended_early": len(ended),
        "chance_without_ended": alive,
        "chance_of_their_change": picked,
        "pnl": mine,
        "better_universes_share": better,
    }
    wrong: list[str] = []
    evidence: list[Evidence] = []
    if ended and alive < 1:
        wrong.append(f"none of the {len(ended)} that ended early is among them (by chance: {alive:.0%})")
        evidence += [_life(each, "ends early") for each in ended[:3]]
    if picked < 2 * CHANCE:
        wrong.append(f"they rose more than almost any {len(chosen)} others (by chance: {picked:.1%})")
        best = max(chosen, key=lambda each: each.change)
        evidence.append(
            Evidence(
                first_in=f"{best.id} over the span",
                first=f"{best.change:+.0%}",
                second_in="middle of all",
                second=f"{_middle(lives):+.0%}",
            )
        )
    if mine > 0 and not better and len(others) >= MANY:
        wrong.append(f"none of {len(others)} other choices did as well")
    born = [each for each in chosen if each in listed]
    if born:
        wrong.append(f"{len(born)} of them were not there at the beginning")
        evidence += [_life(each, "begins late") for each in born[:3]]
    pnl = (
        f"PNL {mine:+,.2f}; {better:.0%} of {len(others)} other choices did as well" if others else f"PNL {mine:+,.2f}"
    )
    if not wrong:
        claim = f"its {len(chosen)} of {len(lives)} instruments look like any others: {pnl}"
        return Finding(check=NAME, light=Light.GREEN, claim=claim, figures=figures)
    is_sure = alive < 2 * CHANCE or picked < CHANCE
    return Finding(
        check=NAME,
        light=Light.RED if is_sure else Light.AMBER,
        claim=f"its {len(chosen)} of {len(lives)} instruments look chosen by the end: {'; '.join(wrong)}. {pnl}",
        advice="Choose the universe by what was known on each day (volume, listing), dead instruments included.",
        evidence=tuple(evidence),
        figures=figures,
    )


def life(source: MarketData) -> Listed:
    """What became of an instrument."""
    bars = [event for event in source.tape(0) if type(event) is Bar]
    return Listed(
        id=source.instrument.id,
        first_ns=source.first_ns,
        last_ns=source.last_ns,
        change=bars[-1].close / bars[0].close - 1 if bars else 0.0,
    )


def traded(case: Case) -> set[str]:
    """Instruments that the strategy wanted anything of."""
    return {
        part.instrument
        for decision in case.plain().trace.decisions
        for parts in (decision.desired.targets, decision.desired.quotes, decision.desired.takes)
        for part in parts
    }


def dead(lives: Sequence[Listed]) -> list[Listed]:
    """Those whose data end before the others'."""
    end_ns = max(each.last_ns for each in lives)
    span_ns = end_ns - min(each.first_ns for each in lives)
    return [each for each in lives if each.last_ns < end_ns - LATE * span_ns]


def late(lives: Sequence[Listed]) -> list[Listed]:
    """Those whose data begin after the others'."""
    first_ns = min(each.first_ns for each in lives)
    span_ns = max(each.last_ns for each in lives) - first_ns
    return [each for each in lives if each.first_ns > first_ns + LATE * span_ns]


def chance_of_none(total: int, ended: int, size: int) -> float:
    """How often a random choice of `size` has none of the ended ones (hypergeometric)."""
    return comb(total - ended, size) / comb(total, size) if ended else 1.0


def chance(chosen: Sequence[float], every: Sequence[float]) -> float:
    """How often as many drawn at random have at least the same mean: exact where there are few choices."""
    mine, size = sum(chosen), len(chosen)
    if comb(len(every), size) <= DRAWS:
        sums = [sum(each) for each in combinations(every, size)]
    else:
        rng = random.Random(0)
        sums = [sum(rng.sample(list(every), size)) for _ in range(DRAWS)]
    return sum(each >= mine - 1e-12 for each in sums) / len(sums)


def profits(case: Case, chosen: Sequence[Listed]) -> tuple[float, list[float]]:
    """Profit of the choice, and of others of the same size."""
    names = {each.id for each in chosen}
    could = pool(case)
    own = [source for source in could if source.instrument.id in names]
    if len(case.sources) > len(chosen):
        return case.plain().pnl, []  # it picks by itself: another universe would only be picked from again
    mine = case.plain().pnl
    rng = random.Random(0)
    if len(own) == 1:
        choices = [[source] for source in could if source.instrument.id not in names]
    else:
        choices = [rng.sample(could, len(own)) for _ in range(RUNS)]
    return mine, [pnl for choice in islice(choices, RUNS) if (pnl := _pnl(case, choice)) is not None]


def _pnl(case: Case, sources: Sequence[MarketData]) -> float | None:
    plan = replace(case.plan, strategies=(replace(case.tested, instruments=()),), joins=True)
    try:
        return Case(plan, sources, case.settings).run().pnl
    except (DataError, StrategyError):
        return None  # what was not there together cannot be traded together


def _life(each: Listed, what: str) -> Evidence:
    moment: Callable[[Listed], int] = (lambda one: one.last_ns) if what == "ends early" else (lambda one: one.first_ns)
    return Evidence(ts_ns=moment(each), first_in=each.id, first=what)


def _middle(lives: Sequence[Listed]) -> float:
    return sorted(each.change for each in lives)[len(lives) // 2]
