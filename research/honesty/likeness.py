"""Would it trade the same market told in other numbers? In other units, and with every price a hair from what it was.

What a market does is in how its prices move. A strategy that hangs on their numbers knows this tape, however it hides
what it brought along: a list, a hash, bits of a long number, a level that is put together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from msgspec.structs import replace

from domain.desired import Desired
from domain.instrument import LARGEST, Instrument
from domain.market import Bar
from research.honesty import worlds
from research.honesty.case import Case, Change
from research.honesty.trace import Decision, Trace, told
from research.honesty.verdict import Evidence, Finding, Light
from research.honesty.warmup import in_force

LEAST_UNIT, MOST_UNIT = 3, 97
"""Between these lies the number by which prices are multiplied; which one it is hangs on file and data."""
HAIR = 0.1
"""Part of a usual move from bar to bar by which prices are moved at most."""
HAIRS = 3
"""Tapes with moved prices."""
LEAST = 2
"""Changes of side below which two runs cannot be compared."""
ALIKE = 0.8
"""Part of the time it is in the market for which it must want the same in other units."""
NEAR, FAR = 0.75, 0.25
"""The same with moved prices: above the first it is near enough, below the second nothing of its decisions is left."""
BEYOND_CHANCE = 0.4
"""Agreement beyond chance above which it is near enough too (Landis and Koch 1977: below it is poor to fair)."""


def units(case: Case) -> Finding:
    """All prices times the same number, the contract as much smaller: nothing that is worth anything has changed."""
    name = "other units"
    times = sampled(case)
    plain = case.plain().trace.decisions
    if (few := too_few(plain)) is not None:
        return Finding(check=name, light=Light.GREY, claim=few)
    factor = factor_of(case)
    other = Trace()
    case.run(Change(edit=worlds.multiplied(factor), contract=lambda each: split(each, factor)), other)
    found = alike(plain, other.decisions, times)
    share = found.share
    figures = {"factor": factor, "same_share": share, "kappa": found.kappa}
    if share >= ALIKE:
        claim = f"with all prices times {factor} it is on the same side {share:.0%} of the time: it looks at moves"
        return Finding(check=name, light=Light.GREEN, claim=claim, figures=figures)
    return Finding(
        check=name,
        light=Light.AMBER,
        claim=f"it knows which price it is: with all prices times {factor}, and the contract as much smaller, it is on "
        f"the same side only {share:.0%} of the time it is in the market",
        advice="Somewhere it compares with a level, or looks prices up. A level that was found by looking at this tape "
        "tells nothing about another: follow the market with averages, ranges and ratios.",
        evidence=(evidence(plain, other.decisions, found.apart_ns, f"times {factor}"),),
        figures=figures,
    )


def hair(case: Case, tapes: int = HAIRS) -> Finding:
    """Every price a little from what it was, by less than anybody could trade on."""
    name = "exact prices"
    if not case.is_bars:
        return Finding(check=name, light=Light.GREY, claim="prices of books and trades are not moved: only bars")
    times = sampled(case)
    plain = case.plain()
    if (few := too_few(plain.trace.decisions)) is not None:
        return Finding(check=name, light=Light.GREY, claim=few)
    by = {each.id: HAIR * usual_move(case, each) for each in case.instruments.values()}
    runs = []
    for seed in range(tapes):
        other = Trace()
        pnl = case.run(Change(edit=worlds.moved(case.instruments, by, seed)), other).pnl
        runs.append((alike(plain.trace.decisions, other.decisions, times), pnl, other.decisions))
    runs.sort(key=lambda each: each[0].kappa)
    found, left = runs[len(runs) // 2][0], median([each[1] for each in runs])
    figures = {
        "tapes": tapes,
        "moved_by": max(by.values()),
        "same_share": found.share,
        "kappa": found.kappa,
        "pnl": plain.pnl,
        "median_pnl": left,
    }
    text = (
        f"with prices moved by up to {max(by.values()):.3%} it is on the same side {found.share:.0%} of the time it is "
        f"in the market, PNL {left:+,.2f} against {plain.pnl:+,.2f} (the middle of {tapes} tapes)"
    )
    if found.share >= NEAR or found.kappa >= BEYOND_CHANCE:
        return Finding(check=name, light=Light.GREEN, claim=text, figures=figures)
    return Finding(
        check=name,
        light=Light.RED if found.share < FAR or plain.pnl > 0 >= left else Light.AMBER,
        claim=f"it hangs on the exact prices of this tape, which never come again: {text}",
        advice="A lookup by price, or a rule so sharp that a tick turns it round. What it earned here it earned by "
        "these numbers.",
        evidence=(evidence(plain.trace.decisions, runs[0][2], runs[0][0].apart_ns, "prices moved"),),
        figures=figures,
    )


def too_few(decisions: Sequence[Decision]) -> str | None:
    """Why two runs cannot be compared; None = they can."""
    seen = [leaning(decision.desired) for decision in decisions]
    changes = sum(before != after for before, after in pairwise([{}, *seen]))
    return f"insufficient data: n = {changes} changes of side, at least {LEAST} needed" if changes < LEAST else None


def sampled(case: Case) -> list[int]:
    """When sides are compared: a thousand times or so, evenly over the run."""
    result = case.plain().result
    step_ns = max(1, (result.last_ns - result.first_ns) // 1_000)
    return list(range(result.first_ns, result.last_ns + 1, step_ns))


def factor_of(case: Case) -> int:
    """A number nobody can prepare for; not so large that a price leaves what floats hold exactly."""
    seed = sha256((case.loaded.source_hash + "".join(source.sha256 for source in case.sources)).encode()).digest()
    most = max((worlds.price_of(event) for event in case.tape()), default=1)
    room = min(MOST_UNIT, LARGEST // (2 * max(1, most)))
    return max(2, LEAST_UNIT + int.from_bytes(seed[:4], "big") % max(1, room - LEAST_UNIT))


def split(instrument: Instrument, factor: int) -> Instrument:
    """The contract whose price is `factor` times as high and that is worth the same."""
    return replace(instrument, tick=instrument.tick * factor, multiplier=instrument.multiplier / Decimal(factor))


def usual_move(case: Case, instrument: Instrument) -> float:
    """The median move of an instrument from bar to bar, as a fraction; two ticks at least."""
    closes = [bar.close for bar in case.bars() if bar.instrument == instrument.id and bar.close > 0]
    moves = [abs(after / before - 1) for before, after in pairwise(closes)]
    return max(median(moves) if moves else 0.0, 2 * instrument.tick / HAIR / max(closes, default=1))


def leaning(desired: Desired) -> dict[str, int]:
    """+1 for every instrument that it wants to be long in, or bids for alone; -1 for the opposite; both = nothing."""
    found: dict[str, float] = {}
    for target in desired.targets:
        value = getattr(target.want, "value", 0.0)
        found[target.instrument] = found.get(target.instrument, 0) + (value > 0) - (value < 0)
    for each in (*desired.quotes, *desired.takes):
        found[each.instrument] = found.get(each.instrument, 0) + each.side
    return {name: 1 if total > 0 else -1 for name, total in found.items() if total}


class Alike(NamedTuple):
    """How alike two runs are.

    `share` is the part of the time that either leans to a side in which both lean to the same; `kappa` what that is
    beyond chance, over all of the time (Cohen 1960: 1 = always the same, 0 = as two that know nothing of each other).
    """

    share: float
    kappa: float
    apart_ns: int


def alike(first: Sequence[Decision], second: Sequence[Decision], times: Sequence[int]) -> Alike:
    """Compare what two runs want, at these times."""
    names = sorted({name for each in (*first, *second) for name in leaning(each.desired)})
    pairs: Counter[tuple[int, int]] = Counter()
    apart_ns = 0
    for ts_ns in times:
        mine, other = leaning(in_force(first, ts_ns)), leaning(in_force(second, ts_ns))
        pairs.update([(mine.get(name, 0), other.get(name, 0)) for name in names])
        if mine != other and not apart_ns:
            apart_ns = ts_ns
    count = pairs.total()
    if not count:
        return Alike(1.0, 1.0, 0)
    same = sum(n for (mine, other), n in pairs.items() if mine == other)
    flat = pairs[0, 0]
    by_chance = sum(
        sum(n for (mine, _), n in pairs.items() if mine == side)
        * sum(n for (_, other), n in pairs.items() if other == side)
        for side in (-1, 0, 1)
    ) / count**2
    kappa = (same / count - by_chance) / (1 - by_chance) if by_chance < 1 else 1.0
    return Alike((same - flat) / (count - flat) if count > flat else 1.0, kappa, apart_ns)


def evidence(first: Sequence[Decision], second: Sequence[Decision], ts_ns: int, second_in: str) -> Evidence:
    """What both want at a time."""
    mine, other = in_force(first, ts_ns), in_force(second, ts_ns)
    return Evidence(
        ts_ns=ts_ns, first_in="as recorded", first=told(mine), second_in=second_in, second=told(other)
    )
