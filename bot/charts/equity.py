"""Equity and drawdown over time."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bot.charts.common import curve, gain, gap_spans, heading, percent, short
from bot.charts.sheet import Element, Ink, Line, Moment, Note, Panel, Sheet, Span, Unit
from domain.performance import Performance

if TYPE_CHECKING:
    from engine.desk import Desk

SHOWN_DEPOSIT = Decimal("0.005")
"""Money in or out is marked when it is more than this share of equity."""
MOST_DEPOSITS = 6


async def equity(desk: Desk, since_ns: int, until_ns: int, zone: str, _symbol: str = "") -> Sheet:
    """Equity of all accounts, with what was paid in and out, and the drawdown below it."""
    seen = await desk.performance(since_ns, until_ns)
    sheet = begun(desk, seen, "Equity", zone)
    if seen.problem:
        return sheet
    worth = Line(*curve(seen, lambda point: point.equity), label=short(seen.end_equity))
    above = [*gap_spans(seen.gaps), *_deposits(seen), worth, *_extremes(seen)]
    below = [*gap_spans(seen.gaps, named=False), _fall(seen)]
    share = f" ({percent(seen.growth, sign=True)})" if seen.growth else ""
    earned = f"{gain(seen.net)}{share} after fees and funding" if seen.net else "nothing earned and nothing lost"
    if len(seen.points) == 1:
        earned = "one sample so far"
    return replace(
        sheet,
        figure=short(seen.end_equity),
        subtitle=f"{earned}\n{sheet.subtitle}",
        panels=[
            Panel(elements=above, unit=Unit.MONEY, height=2.6),
            Panel(elements=below, unit=Unit.PERCENT, height=1, zero=True, title="Drawdown"),
        ],
    )


async def drawdown(desk: Desk, since_ns: int, until_ns: int, zone: str, _symbol: str = "") -> Sheet:
    """How far equity was below its highest; money that was paid in or out makes none."""
    seen = await desk.performance(since_ns, until_ns)
    sheet = begun(desk, seen, "Drawdown", zone)
    if seen.problem:
        return sheet
    worst = seen.max_drawdown
    elements: list[Element] = [*gap_spans(seen.gaps), _fall(seen)]
    said = "no drawdown in this period"
    if worst.fraction:
        elements.insert(0, Span(worst.peak_ns, worst.recovered_ns or seen.to_ns, "", Ink.BAD))
        if worst.trough_ns != seen.to_ns:
            deepest = percent(-worst.fraction)
            elements.append(Note(worst.trough_ns, -float(worst.fraction), deepest, above=False, ink=Ink.BAD))
        end = "made good" if worst.recovered_ns else "not made good yet"
        said = f"deepest {percent(-worst.fraction)}, {short(-worst.amount)}, {end}"
    return replace(
        sheet,
        figure=f"{percent(-seen.drawdown) if seen.drawdown else '0%'} now",
        subtitle=f"{said}\n{sheet.subtitle}",
        panels=[Panel(elements=elements, unit=Unit.PERCENT, zero=True)],
    )


def begun(desk: Desk, seen: Performance, title: str, zone: str) -> Sheet:
    """The heading of a period's picture, and why it is empty."""
    first, last = (seen.from_ns, seen.to_ns) if not seen.problem else (seen.since_ns, seen.until_ns)
    return replace(heading(desk, title, first, last, zone, seen.notes), empty=seen.problem, figure="No data")


def _fall(seen: Performance) -> Line:
    times, values = curve(seen, lambda point: -point.drawdown)
    label = percent(-seen.drawdown) if seen.drawdown else "0%"
    return Line(times, values, ink=Ink.BAD, fill_to=0.0, label=label)


def _extremes(seen: Performance) -> list[Element]:
    """The highest and the lowest point, named; not where the curve ends, which has its figure already."""
    by_worth = sorted(seen.points, key=lambda point: point.equity)
    low, high = by_worth[0], by_worth[-1]
    notes: list[Element] = []
    if low.equity == high.equity:
        return notes
    ends = {seen.points[-1].ts_ns}
    if high.ts_ns not in ends:
        notes.append(Note(high.ts_ns, float(high.equity), f"high {short(high.equity)}"))
    if low.ts_ns not in ends:
        notes.append(Note(low.ts_ns, float(low.equity), f"low {short(low.equity)}", above=False))
    return notes


def _deposits(seen: Performance) -> list[Element]:
    """Money that was paid in or out, the largest movements of it."""
    found: list[tuple[Decimal, int]] = []
    paid = seen.points[0].equity - seen.points[0].profit
    for point in seen.points[1:]:
        moved = point.equity - point.profit - paid
        paid += moved
        if moved and abs(moved) > SHOWN_DEPOSIT * abs(point.equity):
            found.append((moved, point.ts_ns))
    found.sort(key=lambda each: -abs(each[0]))
    shown = sorted(found[:MOST_DEPOSITS], key=lambda each: each[1])
    return [
        Moment(ts_ns, f"{short(abs(moved))} paid {'in' if moved > 0 else 'out'}", level=n % 3)
        for n, (moved, ts_ns) in enumerate(shown)
    ]
