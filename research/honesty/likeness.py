"""Would it trade the same market told in other numbers? In other units, and with every price a hair from what it was.

What a market does is in how its prices move. A strategy that hangs on their numbers knows this tape, however it hides
what it brought along: a list, a hash, bits of a long number, a level that is put together.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from statistics import mean, median, stdev
from typing import NamedTuple

from msgspec.structs import replace

from domain.desired import Desired
from domain.instrument import LARGEST, Instrument
from research.honesty import worlds
from research.honesty.case import Case, Change
from research.honesty.trace import Decision, Trace, told
from research.honesty.verdict import Evidence, Finding, Light
from research.honesty.warmup import in_force

LEAST_UNIT, MOST_UNIT = 3, 97
"""Between these lies the number by which prices and volumes are multiplied; it hangs on file and data."""
HAIR = 0.1
"""Part of a usual move from bar to bar by which prices are moved at most."""
HAIRS = 5
"""Tapes with moved prices."""
LEAST = 2
"""Changes of side below which two runs cannot be compared."""
ALIKE = 0.8
"""Part of the time it is in the market for which it must want the same in other units."""
AGAIN, LOST = 0.5, 0.25
"""Part of its changes of side that come again, to a bar, with moved prices: the first is enough, below the second
nothing is left. Honest strategies keep 0.7 and more, lookups 0.1 and less."""
SIGMAS = 5
"""Standard deviations of the profits with moved prices by which the one as recorded may be above their mean; beside
five it is more by chance once in two hundred times."""
NEAR, BEYOND_CHANCE = 0.75, 0.4
"""Part of the time on the same side, or agreement beyond chance (Landis and Koch 1977: fair); one is needed."""


def units(case: Case) -> Finding:
    """All prices and volumes times one number, the contract as much smaller: nothing that is worth anything changes."""
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
        same = f"it is on the same side {share:.0%} of the time"
        claim = f"with all prices and volumes times {factor} {same}: it looks at moves"
        return Finding(check=name, light=Light.GREEN, claim=claim, figures=figures)
    return Finding(
        check=name,
        light=Light.AMBER,
        claim=f"it knows which price it is: with all prices and volumes times {factor}, and the contract as much "
        f"smaller, it is on the same side only {share:.0%} of the time it is in the market",
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
        again = come_again(plain.trace.decisions, other.decisions, case.interval_ns)
        runs.append(Beside(alike(plain.trace.decisions, other.decisions, times), again, pnl, other.decisions))
    again, left = mean(run.again for run in runs), median(run.pnl for run in runs)
    share, kappa = mean(run.alike.share for run in runs), mean(run.alike.kappa for run in runs)
    figures = {
        "tapes": tapes,
        "moved_by": max(by.values()),
        "come_again_share": again,
        "same_share": share,
        "kappa": kappa,
        "pnl": plain.pnl,
        "median_pnl": left,
    }
    text = (
        f"with prices moved by up to {max(by.values()):.3%}, {again:.0%} of its changes of side come again, it is on "
        f"the same side {share:.0%} of the time it is in the market, and its PNL is {left:+,.2f} instead of "
        f"{plain.pnl:+,.2f} ({tapes} tapes)"
    )
    is_same = again >= AGAIN and (share >= NEAR or kappa >= BEYOND_CHANCE)
    if is_same and not is_luckier(plain.pnl, [run.pnl for run in runs]):
        return Finding(check=name, light=Light.GREEN, claim=text, figures=figures)
    if is_same:
        return Finding(
            check=name,
            light=Light.AMBER,
            claim=f"what it earned here, and nowhere a hair beside, hangs on a few exact prices: {text}",
            advice="Look for what tells it single bars of this tape: most of its decisions are the same there.",
            figures=figures,
        )
    worst = min(runs, key=lambda run: run.again)
    return Finding(
        check=name,
        light=Light.RED if again < LOST or plain.pnl > 0 >= left else Light.AMBER,
        claim=f"it hangs on the exact prices of this tape, which never come again: {text}",
        advice="A lookup by price, or a rule so sharp that a tick turns it round. What it earned here it earned by "
        "these numbers.",
        evidence=(evidence(plain.trace.decisions, worst.decisions, worst.alike.apart_ns, "prices moved"),),
        figures=figures,
    )


def is_luckier(pnl: float, beside: Sequence[float]) -> bool:
    """Whether a profit is so far above those of the tapes beside it that most of it is theirs in no way."""
    around = mean(beside)
    return pnl > 0 and pnl - around > max(pnl / 2, SIGMAS * stdev(beside))


def too_few(decisions: Sequence[Decision]) -> str | None:
    """Why two runs cannot be compared; None = they can."""
    count = len(changes(decisions))
    return f"insufficient data: n = {count} changes of side, at least {LEAST} needed" if count < LEAST else None


def sampled(case: Case) -> list[int]:
    """When sides are compared: a thousand times or so, evenly over the run."""
    result = case.plain().result
    step_ns = max(1, (result.last_ns - result.first_ns) // 1_000)
    return list(range(result.first_ns, result.last_ns + 1, step_ns))


def factor_of(case: Case) -> int:
    """An odd number, which neither mantissas nor logarithms hide; no price leaves what floats hold exactly."""
    seed = sha256((case.loaded.source_hash + "".join(source.sha256 for source in case.sources)).encode()).digest()
    most = max((worlds.price_of(event) for event in case.tape()), default=1)
    room = min(MOST_UNIT, LARGEST // (2 * max(1, most)))
    return max(2, LEAST_UNIT + int.from_bytes(seed[:4], "big") % max(1, room - LEAST_UNIT)) | 1


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
    for quote in desired.quotes:
        found[quote.instrument] = found.get(quote.instrument, 0) + quote.side
    for take in desired.takes:
        found[take.instrument] = found.get(take.instrument, 0) + take.side
    return {name: 1 if total > 0 else -1 for name, total in found.items() if total}


class Beside(NamedTuple):
    """A run with moved prices beside the one as recorded."""

    alike: Alike
    again: float
    pnl: float
    decisions: list[Decision]


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
    by_chance = (
        sum(
            sum(n for (mine, _), n in pairs.items() if mine == side)
            * sum(n for (_, other), n in pairs.items() if other == side)
            for side in (-1, 0, 1)
        )
        / count**2
    )
    kappa = (same / count - by_chance) / (1 - by_chance) if by_chance < 1 else 1.0
    return Alike((same - flat) / (count - flat) if count > flat else 1.0, kappa, apart_ns)


def changes(decisions: Sequence[Decision]) -> list[tuple[int, str, int]]:
    """Time, instrument and new side of every change of what it leans to."""
    found, before = list[tuple[int, str, int]](), dict[str, int]()
    for each in decisions:
        now = leaning(each.desired)
        for name in sorted(before.keys() | now.keys()):
            if now.get(name, 0) != before.get(name, 0):
                found.append((each.ts_ns, name, now.get(name, 0)))
        before = now
    return found


def come_again(first: Sequence[Decision], second: Sequence[Decision], within_ns: int) -> float:
    """The part of the changes of side in the first run that the second makes too, so much earlier or later at most."""
    there: dict[tuple[str, int], list[int]] = {}
    for ts_ns, name, side in changes(second):
        there.setdefault((name, side), []).append(ts_ns)
    wanted = changes(first)
    found = 0
    for ts_ns, name, side in wanted:
        times = there.get((name, side), [])
        at = bisect_left(times, ts_ns - within_ns)
        found += at < len(times) and times[at] <= ts_ns + within_ns
    return found / len(wanted) if wanted else 1.0


def evidence(first: Sequence[Decision], second: Sequence[Decision], ts_ns: int, second_in: str) -> Evidence:
    """What both want at a time."""
    mine, other = in_force(first, ts_ns), in_force(second, ts_ns)
    return Evidence(ts_ns=ts_ns, first_in="as recorded", first=told(mine), second_in=second_in, second=told(other))
