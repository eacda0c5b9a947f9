"""Does it do live what it did in the backtest? The same tape through the live parts, and bars that come late."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, takewhile, zip_longest

from domain.facts import FillBooked
from research.honesty import worlds
from research.honesty.ahead import renamed
from research.honesty.case import Case, Change
from research.honesty.live import LivePaper, every_feed
from research.honesty.trace import Trace, parting
from research.honesty.verdict import Evidence, Finding, Light, when
from research.prepare import prepare_plan

EVENTS = 4_000
"""Events of the tape that are played through the live parts."""
LONGEST_NS = 30 * 86_400 * 10**9
"""Of virtual time: the live loop looks after its accounts all the while."""
LATEST_NS = 2_000_000_000
"""How late a bar may come in the other run, and not later than a fiftieth of its length."""


def live(case: Case) -> Finding:
    """The live engine loop, paper venue, conflator and feed, on a virtual clock, over the beginning of the tape."""
    name = "live"
    run = prepare_plan(case.plan, case.sources, case.settings)
    followed = Trace()
    engine = LivePaper(
        run.core,
        run.exchange(),
        lambda spec: followed.follow(run.make_code(spec)),
        pacing=run.pacing,
        history=run.history,
    )
    end_ns = run.first_ns + LONGEST_NS
    tape = list(islice(takewhile(lambda event: event.ts_ns <= end_ns, run.tape), EVENTS))
    feeds = [
        feed
        for instrument in case.instruments
        for interval_ns in sorted(run.terms.intervals_ns.get(instrument, ()) or (0,))
        for feed in every_feed(instrument, interval_ns)
    ]
    until_ns = tape[-1].ts_ns
    engine.run(tape, run.first_ns, list(dict.fromkeys(feeds)))
    tested = case.run(Change(until_ns=until_ns))
    shown = f"{len(tape):,} events, {len(tested.fills)} fills, equity to the cent"
    ours, theirs = fills_until(tested.fills, until_ns), fills_until(engine.fills, until_ns)
    if not tested.trace.decisions and not followed.decisions:
        claim = f"it decided nothing in the first {len(tape):,} events, which are played through the live parts"
        return Finding(check=name, light=Light.GREY, claim=claim)
    apart = parting(tested.trace.decisions, followed.decisions, by_bar=False)
    if apart is None and ours == theirs:
        claim = f"the live parts did the same over the beginning of the tape: {shown}"
        return Finding(check=name, light=Light.GREEN, claim=claim, figures={"events": len(tape), "fills": len(ours)})
    evidence = (
        apart.evidence("in the backtest", "through the live parts") if apart is not None else first_fill(ours, theirs)
    )
    return Finding(
        check=name,
        light=Light.RED,
        claim="through the live parts, on the same tape, it does not do what it did in the backtest",
        advice="Look for what differs between the two: how long its history is, how late a bar comes, its process.",
        evidence=(evidence,),
        figures={"fills_backtest": len(ours), "fills_live": len(theirs)},
    )


def fills_until(fills: Sequence[FillBooked], until_ns: int) -> list[tuple[int, str, int, int, int, str]]:
    """What is compared of fills: time, instrument, side, price, quantity, fee."""
    return [(f.ts_ns, f.instrument, f.side, f.price, f.qty, str(f.fee)) for f in fills if f.ts_ns <= until_ns]


def first_fill(
    ours: Sequence[tuple[int, str, int, int, int, str]], theirs: Sequence[tuple[int, str, int, int, int, str]]
) -> Evidence:
    """Where two lists of fills part."""
    for mine, other in zip_longest(ours, theirs):
        if mine != other:
            either = mine or other or (0, "", 0, 0, 0, "")
            return Evidence(
                ts_ns=either[0],
                first_in="in the backtest",
                first=_fill(mine),
                second_in="through the live parts",
                second=_fill(other),
            )
    return Evidence()


def _fill(fill: tuple[int, str, int, int, int, str] | None) -> str:
    if fill is None:
        return "no fill"
    ts_ns, instrument, side, price, qty, _ = fill
    return f"{'bought' if side > 0 else 'sold'} {qty} at {price} {instrument} {when(ts_ns)}"


def late(case: Case) -> Finding:
    """Bars come a little later, each by another time, as they do live: it must decide the same about them."""
    name = "late bars"
    if not case.is_bars or not case.interval_ns:
        return Finding(check=name, light=Light.GREY, claim="it does not trade on bars alone")
    most_ns = min(LATEST_NS, case.interval_ns // 50)
    other = Trace()
    there_run = case.run(Change(edit=worlds.late(most_ns)), other)
    plain = renamed(case.plain().trace.decisions)
    there = [each._replace(ts_ns=0) for each in renamed(other.decisions)]
    apart = parting([each._replace(ts_ns=0) for each in plain], there)
    if apart is None:
        claim = f"bars that come up to {most_ns / 1e6:g} ms later, each by another time, change nothing"
        return Finding(check=name, light=Light.GREEN, claim=claim)
    at = max(apart.bar, 1)
    until_ns = next((each.ts_ns for each in case.plain().trace.decisions if each.bar >= at), 0) + most_ns
    if [each[1:] for each in fills_until(case.plain().fills, until_ns)] != [
        each[1:] for each in fills_until(there_run.fills, until_ns)
    ]:
        claim = (
            f"bars up to {most_ns / 1e6:g} ms later change nothing until bar {at:,}, where fills part, not decisions"
        )
        return Finding(check=name, light=Light.GREEN, claim=claim, figures={"same_bars": at - 1})
    return Finding(
        check=name,
        light=Light.RED,
        claim="it decides by how long after its close a bar comes: always the same in a backtest, not so live",
        advice="Use view.bar.ts_ns (the close) for what is about the market; view.ts_ns is when it was heard of.",
        evidence=(
            Evidence(
                bar=at,
                ts_ns=next((each.ts_ns for each in case.plain().trace.decisions if each.bar >= at), 0),
                first_in="always as late",
                first=apart.evidence("", "").first,
                second_in=f"up to {most_ns / 1e6:g} ms later",
                second=apart.evidence("", "").second,
            ),
        ),
    )
