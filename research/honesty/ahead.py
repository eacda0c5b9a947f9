"""Does it know what comes? A tape cut off, another future, another year, a mirror, and what foresight would earn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt

from msgspec.structs import replace

from domain.desired import Desired
from domain.facts import FillBooked
from domain.strategy import Wake
from research.honesty import worlds
from research.honesty.case import Case, Change
from research.honesty.trace import Decision, Parting, Trace, parting
from research.honesty.verdict import Evidence, Finding, Light

LEAST = 10
"""Decisions below which a comparison of two worlds says nothing."""
SURE, ODD = 0.8, 0.6
"""Of what its trades moved, the part that it got right: above these nobody does it by skill, few do."""
LEAST_TRADES = 30
MOST_STEPS = 24
"""Halvings of a search for how far it looks ahead."""


def future(case: Case, cuts: int) -> Finding:
    """Decisions must be the same on a tape that ends, or goes on differently, right after them."""
    name = "look-ahead"
    times = cut_times(case, cuts)
    whole = case.run(trace=Trace(times)).trace
    for ts_ns in times:
        for where, edit in (
            ("a tape that ends there", worlds.cut(ts_ns)),
            ("a tape with another future", worlds.mirrored(case.instruments, ts_ns)),
        ):
            other = Trace()
            case.run(Change(edit=edit, until_ns=ts_ns), other)
            apart = parting(whole.first(other.calls), other.decisions)
            if apart is not None:
                return _looks_ahead(case, apart, where)
            if _other_memory(whole, other, ts_ns):
                return _remembers_ahead(ts_ns, where)
    claim = f"cut off and with another future at {len(times)} of its decisions, it decided the same until there"
    return Finding(check=name, light=Light.GREEN, claim=claim, figures={"cuts": len(times)})


def cut_times(case: Case, count: int) -> list[int]:
    """Times of decisions that the market woke, spread over the run."""
    found = [each.ts_ns for each in case.plain().trace.decisions if each.wake != Wake.FILL]
    found = sorted(set(found))
    if len(found) <= count:
        return found
    return [found[(2 * at + 1) * len(found) // (2 * count)] for at in range(count)]


def _other_memory(whole: Trace, other: Trace, ts_ns: int) -> bool:
    from research.honesty.trace import saved

    mine = whole.memories.get(ts_ns, b"")
    return bool(mine) and other.seen_ns == ts_ns and saved(other.memory) != mine


def _remembers_ahead(ts_ns: int, where: str) -> Finding:
    return Finding(
        check="look-ahead",
        light=Light.RED,
        claim="its memory holds something that had not happened yet",
        advice="Find what fills the memory with more than the view showed: an array over the whole data, a file.",
        evidence=(Evidence(ts_ns=ts_ns, first_in="on the whole tape and on", first=f"{where}: other memories"),),
    )


def _looks_ahead(case: Case, apart: Parting, where: str) -> Finding:
    ahead_ns = horizon_ns(case, apart)
    bars = f", {max(1, round(ahead_ns / case.interval_ns))} bars" if case.interval_ns and ahead_ns else ""
    far = f"up to {ahead_ns / 1e9:g} s ahead{bars}" if ahead_ns else "ahead"
    return Finding(
        check="look-ahead",
        light=Light.RED,
        claim=f"it looks {far}: what it decides changes when the future does",
        advice="Let decide() read only view and memory. What was computed over the whole data (a centred or two-sided "
        "average, a pivot, a mean of everything) has to be computed bar by bar instead.",
        evidence=(apart.evidence("on the whole tape", f"on {where}"),),
        figures={"ahead_s": ahead_ns / 1e9},
    )


def horizon_ns(case: Case, apart: Parting) -> int:
    """How much of the future has to be there for the decision to be the same: found by halving, 0 = not found."""
    plain = case.plain().trace
    calls = max(each.call for each in apart if each is not None and each.ts_ns == apart.ts_ns)
    times = sorted({event.ts_ns for event in case.tape() if event.ts_ns >= apart.ts_ns})
    low, high = 0, len(times) - 1
    for _ in range(MOST_STEPS):
        if low >= high:
            break
        middle = (low + high) // 2
        other = Trace()
        case.run(Change(edit=worlds.cut(times[middle]), until_ns=apart.ts_ns), other)
        if parting(plain.first(calls), other.first(calls)) is None:
            high = middle
        else:
            low = middle + 1
    return times[low] - apart.ts_ns if times and low < len(times) else 0


def calendar(case: Case) -> Finding:
    """The same market in another year, and a week later, must be traded the same."""
    name = "calendar"
    plain = renamed(case.plain().trace.decisions)
    for shift_ns, when_, light in (
        (worlds.CALENDAR_NS, "28 years later, on the same dates and weekdays,", Light.RED),
        (worlds.WEEK_NS, "a week later", Light.AMBER),
    ):
        other = Trace()
        case.run(Change(edit=worlds.later(shift_ns)), other)
        apart = parting(plain, renamed(other.decisions, -shift_ns))
        if apart is None:
            continue
        session = " If it keeps to the hours of an exchange and the clocks changed meanwhile, that is why."
        return Finding(
            check=name,
            light=light,
            claim=f"it knows which day it is: the same market {when_} is traded otherwise",
            advice="Something is looked up by its date: prices or signals that were brought along. Take them out of "
            "the file and the parameters; what the strategy needs has to come through its view."
            + (session if light is Light.AMBER else ""),
            evidence=(apart.evidence("as recorded", f"the same tape {when_.rstrip(',')}"),),
        )
    claim = "28 years later on the same dates, and a week later, it trades the same market the same"
    return Finding(check=name, light=Light.GREEN, claim=claim)


def renamed(decisions: Sequence[Decision], shift_ns: int = 0) -> list[Decision]:
    """Decisions with their entries and takes numbered in order of appearance, at shifted times."""
    names: dict[str, str] = {}

    def number(name: str) -> str:
        return names.setdefault(name, str(len(names))) if name else ""

    def plain(desired: Desired) -> Desired:
        return Desired(
            targets=tuple([replace(each, entry=number(each.entry)) for each in desired.targets]),
            quotes=desired.quotes,
            protections=tuple([replace(each, entry=number(each.entry)) for each in desired.protections]),
            takes=tuple(
                [replace(each, id=number(each.id), expires_ns=each.expires_ns + shift_ns) for each in desired.takes]
            ),
        )

    return [each._replace(ts_ns=each.ts_ns + shift_ns, desired=plain(each.desired)) for each in decisions]


def mirror(case: Case) -> Finding:
    """In a market that does the opposite all the way it cannot want the same at the same times."""
    name = "follows the market"
    plain = sides(case.plain().trace.decisions)
    if len(plain) < LEAST:
        claim = f"insufficient data: n = {len(plain)} decisions about a side, at least {LEAST} needed"
        return Finding(check=name, light=Light.GREY, claim=claim)
    other = Trace()
    case.run(Change(edit=worlds.mirrored(case.instruments)), other)
    there = sides(other.decisions)
    same = sum(there.get(key) == side for key, side in plain.items()) / len(plain)
    figures = {"same_share": same, "decisions": len(plain)}
    if same < 0.9:
        claim = f"in a mirrored market {same:.0%} of its {len(plain)} decisions are the same: it looks at prices"
        return Finding(check=name, light=Light.GREEN, claim=claim, figures=figures)
    at = next(iter(plain))
    return Finding(
        check=name,
        light=Light.AMBER,
        claim=f"in a market that does the opposite all the way, {same:.0%} of its {len(plain)} decisions are the same: "
        "prices do not matter to it",
        advice="If it trades by the clock, say so in its docstring; otherwise its decisions come from somewhere else.",
        evidence=(
            Evidence(
                ts_ns=at[0],
                first_in="as recorded",
                first=_side(plain[at]),
                second_in="mirrored",
                second=_side(plain[at]),
            ),
        ),
        figures=figures,
    )


def sides(decisions: Sequence[Decision]) -> dict[tuple[int, str], int]:
    """The side wanted in an instrument, by time and instrument, where it is a new one."""
    found: dict[tuple[int, str], int] = {}
    last: dict[str, int] = {}
    for decision in decisions:
        for instrument, side in _wanted(decision.desired):
            if side != last.get(instrument, 0):
                found[decision.ts_ns, instrument] = last[instrument] = side
    return found


def _wanted(desired: Desired) -> Iterator[tuple[str, int]]:
    for target in desired.targets:
        value = getattr(target.want, "value", None)
        if value is not None:
            yield target.instrument, (value > 0) - (value < 0)
    for take in desired.takes:
        yield take.instrument, take.side


def _side(side: int) -> str:
    return "long" if side > 0 else "short" if side < 0 else "flat"


def foresight(case: Case) -> Finding:
    """What its trades earned before fees, of what they would have with the right side each time."""
    name = "too good to be true"
    won, lost, count = moved(case.plain().fills)
    if count < LEAST_TRADES:
        claim = f"insufficient data: n = {count} closing fills, at least {LEAST_TRADES} needed"
        return Finding(check=name, light=Light.GREY, claim=claim)
    share = (won - lost) / (won + lost) if won + lost else 0.0
    # a coin tossed per fill, each worth the same: how far from an even split
    score = share * sqrt(count)
    figures = {"share": share, "closing_fills": count, "sigmas": score}
    claim = f"it got {share:+.0%} of what {count} closing fills could have earned before fees (+100% = always right)"
    if share < ODD or score < 4:
        return Finding(check=name, light=Light.GREEN, claim=claim, figures=figures)
    return Finding(
        check=name,
        light=Light.RED if share >= SURE and case.is_bars else Light.AMBER,
        claim=claim + ": no strategy on prices does that",
        advice="Look for what tells it the future: prices or signals brought along in the file, in parameters or by "
        "a lookup by price; a fill that nobody gets.",
        figures=figures,
    )


def moved(fills: Sequence[FillBooked]) -> tuple[float, float, int]:
    """What closing fills won and lost before fees, and their number."""
    closing = [float(fill.realised) for fill in fills if fill.realised]
    return sum(x for x in closing if x > 0), -sum(x for x in closing if x < 0), len(closing)
