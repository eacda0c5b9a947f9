"""Is the declared warm-up enough, and does a later start come to the same decisions?"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from math import isclose, isfinite
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from domain.desired import NOTHING, Desired
from domain.market import Bar
from domain.strategy import Wake
from research.honesty import worlds
from research.honesty.case import Case, Change
from research.honesty.trace import Decision, Parting, Trace, told
from research.honesty.verdict import Evidence, Finding, Light

STARTS = 4
"""Places on the tape where it is started."""
LONGER = 20
"""How many times the declared warm-up is the long one it is compared with."""
SAMPLES = 400
"""Times at which two runs are compared."""
ALIKE = 0.5
"""Part of the time that two runs have to want the same, long after the later one began."""
LEAST_LONGER = 250
"""Bars that the long warm-up is longer by at least."""
WATCHED = 1_000
"""Bars after each start over which decisions are compared."""
PRICE_NEAR, SIZE_NEAR = 2e-4, 2e-2
"""Relative differences of prices and of sizes that are what is left of a seed, and change nothing."""
LAST_DIGIT = 1e-9
"""Relative difference of two wishes in a row that is rounding: a stop that is worked out anew after a fill."""


class Started(Struct, frozen=True):
    """The same start after a short and a long warm-up: where they part, bars until then, the largest difference."""

    at: int
    apart: Parting | None
    bars: int
    furthest: float


def sufficient(case: Case) -> Finding:
    """Started at the same bars after the declared warm-up and after a much longer one, it must decide the same."""
    name = "warm-up"
    if not case.interval_ns:
        return Finding(check=name, light=Light.GREY, claim="it reads no bars: there is no history to warm up with")
    if not case.is_bars:
        return Finding(
            check=name, light=Light.GREY, claim="its bars are made of trades or books, which have no history here"
        )
    bars = case.bars()
    starts = list(_starts(case, len(bars)))
    if not starts:
        claim = f"insufficient data: {len(bars)} bars, {case.warmup + LEAST_LONGER} and more are needed"
        return Finding(check=name, light=Light.GREY, claim=claim)
    found = [_started(case, at, bars) for at in starts]
    apart = [each for each in found if each.apart is not None]
    furthest = max(each.furthest for each in found)
    figures = {
        "warmup_bars": case.warmup,
        "starts": len(found),
        "other_starts": len(apart),
        "largest_difference": furthest,
    }
    if not apart:
        rest = f" (largest difference of a number: {furthest:.1e})" if furthest else ""
        claim = (
            f"{case.warmup} bars are enough: from {len(found)} starts it decided as after a much longer warm-up{rest}"
        )
        return Finding(check=name, light=Light.GREEN, claim=claim, figures=figures)
    worst = apart[0]
    assert worst.apart is not None  # noqa: S101 - chosen so
    need = enough(case, worst.at, bars)
    much = f"{need} bars would be enough there" if need else "no warm-up that fits on the tape is enough"
    return Finding(
        check=name,
        light=Light.RED if not need or len(apart) > len(found) / 2 else Light.AMBER,
        claim=f"its warm-up of {case.warmup} bars is too short, or it counts how long it has been running: at "
        f"{len(apart)} of {len(found)} starts it decides otherwise than after a longer one; {much}",
        advice=f"Let warmup() return {need}, or seed its averages so that they do not matter."
        if need
        else "Let decisions depend on a window of the market, not on the number of bars seen since the start.",
        evidence=(worst.apart.evidence(f"warmed up by {case.warmup} bars", "by a longer history"),),
        figures={**figures, "needed_bars": need},
    )


def _starts(case: Case, bars: int) -> Iterator[int]:
    """First bars that trade, spread over what leaves room for a long warm-up before and something to see after."""
    first = case.warmup + LEAST_LONGER
    last = bars - max(50, min(WATCHED, bars // 4))
    if first >= last:
        return
    for at in range(STARTS):
        yield first + (last - first) * at // STARTS


def _started(case: Case, at: int, bars: Sequence[Bar], warm: int | None = None) -> Started:
    until_ns = bars[min(len(bars) - 1, at + WATCHED)].ts_ns
    long = min(at, max(LONGER * case.warmup, case.warmup + LEAST_LONGER))
    short_run, long_run = Trace(), Trace()
    start_ns = bars[at].ts_ns
    case.run(Change(start_ns=start_ns, warm=case.warmup if warm is None else warm, until_ns=until_ns), short_run)
    case.run(Change(start_ns=start_ns, warm=long, until_ns=until_ns), long_run)
    apart, furthest = nearly(short_run.decisions, long_run.decisions)
    bar = (apart.ts_ns - bars[at].ts_ns) // case.interval_ns if apart is not None else 0
    return Started(at, apart, bar, furthest)


def enough(case: Case, at: int, bars: Sequence[Bar]) -> int:
    """The shortest warm-up, doubled until it is, after which it decides there as after a long one; 0 = none."""
    warm = max(1, case.warmup)
    while warm < at // 2:
        warm *= 2
        if _started(case, at, bars, warm).apart is None:
            return warm
    return 0


def nearly(first: Sequence[Decision], second: Sequence[Decision]) -> tuple[Parting | None, float]:
    """The first real difference of two runs, and the largest one of a number before it."""
    furthest = 0.0
    for mine, other in zip_longest(_changes(first), _changes(second)):
        if mine is None or other is None or mine.ts_ns != other.ts_ns:
            return Parting(mine, other), furthest
        distance = apart_by(mine.desired, other.desired)
        if distance is None:
            return Parting(mine, other), furthest
        furthest = max(furthest, distance)
    return None, furthest


def _changes(decisions: Sequence[Decision]) -> Iterator[Decision]:
    """Decisions without those that repeat the one before but for its last digits, which one run may have alone."""
    before: Decision | None = None
    for each in decisions:
        apart = apart_by(before.desired, each.desired) if before is not None else None
        if apart is None or apart > LAST_DIGIT:
            before = each
            yield each


def apart_by(first: Any, second: Any, name: str = "") -> float | None:  # noqa: ANN401 - parts of a `Desired`
    """The largest relative difference of two wishes of the same shape; None when they mean something else."""
    if isinstance(first, Struct) and type(first) is type(second):
        pairs = [(asdict(first)[field], asdict(second)[field], field) for field in first.__struct_fields__]
        return _most([apart_by(*pair) for pair in pairs])
    if isinstance(first, tuple) and isinstance(second, tuple) and len(first) == len(second):
        return _most([apart_by(*pair, name) for pair in zip(first, second, strict=True)])
    if isinstance(first, float) and isinstance(second, float):
        if first == second or not isfinite(first) or not isfinite(second):
            return 0.0 if repr(first) == repr(second) or first == second else None
        near = PRICE_NEAR if name in {"price", "stop", "take_profit", "limit"} else SIZE_NEAR
        is_near = isclose(first, second, rel_tol=near) and (first > 0) == (second > 0)
        return abs(first - second) / max(abs(first), abs(second)) if is_near else None
    return 0.0 if first == second else None


def _most(parts: Sequence[float | None]) -> float | None:
    return (
        None if any(part is None for part in parts) else max([part for part in parts if part is not None], default=0.0)
    )


def cold_start(case: Case) -> Finding:
    """Started later, it must come to want what it wants when it began earlier."""
    name = "cold start"
    plain = case.plain().trace
    times = sorted({each.ts_ns for each in plain.decisions if each.wake != Wake.FILL})
    if len(times) < 2 * STARTS:
        return Finding(check=name, light=Light.GREY, claim=f"insufficient data: n = {len(times)} decisions")
    found = []
    for at in range(1, STARTS + 1):
        start_ns = times[len(times) * at // (2 * STARTS + 1)]
        later = Trace()
        case.run(Change(edit=worlds.since(start_ns)), later)
        found.append(together(plain.decisions, later.decisions, start_ns, plain.seen_ns))
    shares = [each.share for each in found]
    longest = max((each.wait_ns for each in found if each.wait_ns is not None), default=0)
    joined = sum(each.wait_ns is not None for each in found)
    figures = {"starts": STARTS, "joined": joined, "longest_wait_s": longest / 1e9, "least_alike_share": min(shares)}
    if min(shares) >= ALIKE:
        in_bars = f" ({round(longest / case.interval_ns)} bars)" if case.interval_ns else ""
        claim = (
            f"from {joined} of {STARTS} later starts it ends up the same in {longest / 1e9:,.0f} s{in_bars} at most, "
            f"in the second half {min(shares):.0%} of the time at least"
        )
        return Finding(check=name, light=Light.GREEN, claim=claim, figures=figures)
    worst = min(found, key=lambda each: each.share)
    return Finding(
        check=name,
        light=Light.AMBER,
        claim=f"started later, it goes on wanting something else than when it began earlier: the same only "
        f"{worst.share:.0%} of the time, long after the start",
        advice="Its result depends on the day it was switched on: look at results from several starts, not at one.",
        evidence=(worst.evidence,),
        figures=figures,
    )


class Together(Struct, frozen=True):
    """How alike two runs are: the share of the second half in which they want the same, and from when on always."""

    share: float
    wait_ns: int | None
    evidence: Evidence


def together(earlier: Sequence[Decision], later: Sequence[Decision], start_ns: int, end_ns: int) -> Together:
    """Compare what is in force at evenly spread times."""
    step_ns = max(1, (end_ns - start_ns) // SAMPLES)
    alike: list[tuple[int, bool]] = []
    evidence = Evidence()
    for ts_ns in range(start_ns + step_ns, end_ns + 1, step_ns):
        mine, other = in_force(earlier, ts_ns), in_force(later, ts_ns)
        is_alike = apart_by(unnamed(mine), unnamed(other)) is not None
        alike.append((ts_ns, is_alike))
        if not is_alike:
            evidence = Evidence(
                ts_ns=ts_ns, first_in="began earlier", first=told(mine), second_in="began later", second=told(other)
            )
    half = alike[len(alike) // 2 :]
    last_apart = max((ts_ns for ts_ns, is_alike in alike if not is_alike), default=start_ns)
    wait_ns = last_apart - start_ns if alike and alike[-1][1] else None
    return Together(sum(same for _, same in half) / max(1, len(half)), wait_ns, evidence)


def in_force(decisions: Sequence[Decision], ts_ns: int) -> Desired:
    """What was wanted at a time."""
    at = bisect_right(decisions, ts_ns, key=lambda each: each.ts_ns)
    return decisions[at - 1].desired if at else NOTHING


def unnamed(desired: Desired) -> Desired:
    """A wish without the names of its ideas: they tell when something began."""
    return Desired(
        targets=tuple([replace(each, entry="") for each in desired.targets]),
        quotes=desired.quotes,
        protections=tuple([replace(each, entry="") for each in desired.protections]),
    )
