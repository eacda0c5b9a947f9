"""Who earned what, and what was open: profit by strategy, exposure by symbol."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from bot.charts.common import gain, gap_spans, heading, short
from bot.charts.equity import begun
from bot.charts.sheet import Bands, Element, Ink, Line, Panel, Rows, Sheet, Unit
from domain.performance import ExposurePoint, Part
from domain.views import owner_words

if TYPE_CHECKING:
    from engine.desk import Desk

MOST_ROWS: Final = 9
INKS: Final = [Ink.MAIN, Ink.SECOND, Ink.THIRD, Ink.FIFTH, Ink.QUIET]
OTHERS: Final = "others"
ZERO: Final = Decimal(0)


async def strategies(desk: Desk, since_ns: int, until_ns: int, zone: str, _symbol: str = "") -> Sheet:
    """Profit of every strategy after fees and funding, best first."""
    seen = await desk.performance(since_ns, until_ns)
    sheet = begun(desk, seen, "PNL by strategy", zone)
    if seen.problem:
        return sheet
    if not seen.by_strategy:
        return replace(sheet, figure="0.00", empty="Nothing was traded or held in this period.")
    parts = _fewer(seen.by_strategy)
    return replace(
        sheet,
        figure=gain(seen.net),
        is_good=None if not seen.net else seen.net > 0,
        subtitle=f"realised {gain(seen.realised)}, open {gain(seen.unrealised)}, fees {gain(-seen.fees)}, "
        f"funding {gain(seen.funding)}\n{sheet.subtitle}",
        rows=Rows(
            names=[owner_words(part.name) for part in parts],
            values=[float(part.net) for part in parts],
            words=[_words(part) for part in parts],
        ),
    )


def _words(part: Part) -> str:
    counted = f"{part.trades} trade{'' if part.trades == 1 else 's'}" if part.trades else f"{part.fills} fills"
    return f"{gain(part.net)} · {counted}"


def _fewer(parts: tuple[Part, ...]) -> list[Part]:
    """As many as a picture shows: the best and the worst, and the rest between them as one."""
    if len(parts) <= MOST_ROWS:
        return list(parts)
    best, worst = parts[: MOST_ROWS // 2], parts[-(MOST_ROWS - 1 - MOST_ROWS // 2) :]
    between = parts[len(best) : -len(worst)]
    rest = Part(
        name=f"{len(between)} {OTHERS}",
        realised=sum((part.realised for part in between), start=ZERO),
        unrealised=sum((part.unrealised for part in between), start=ZERO),
        fees=sum((part.fees for part in between), start=ZERO),
        funding=sum((part.funding for part in between), start=ZERO),
        fills=sum(part.fills for part in between),
        trades=sum(part.trades for part in between),
    )
    return [*best, rest, *worst]


async def exposure(desk: Desk, since_ns: int, until_ns: int, zone: str, _symbol: str = "") -> Sheet:
    """Worth of the open positions by symbol: long above zero, short below."""
    seen = await desk.past.exposure(since_ns, until_ns)
    if seen.problem:
        return replace(heading(desk, "Exposure", since_ns, until_ns, zone), figure="No data", empty=seen.problem)
    points = seen.points
    sheet = heading(desk, "Exposure", points[0].ts_ns, points[-1].ts_ns, zone, ["long above zero, short below"])
    now = points[-1].worth.values()
    gross, net = sum(map(abs, now), start=ZERO), sum(now, start=ZERO)
    equity = desk.status().equity
    times = f", {gross / equity:.2f} x equity" if equity > 0 else ""
    most = max(sum(map(abs, point.worth.values()), start=ZERO) for point in points)
    if not most:
        return replace(sheet, figure="Flat", empty="No position was open in this period.")
    words = f"net {gain(net)}{times}; most was {short(most)}"
    elements: list[Element] = [*gap_spans(seen.gaps), _bands(points)]
    if len({symbol for point in points for symbol in point.worth}) > 1:
        line = [float(sum(point.worth.values(), start=ZERO)) for point in points]
        times_ns = [point.ts_ns for point in points]
        elements.append(Line(times_ns, line, ink=Ink.LIMIT, label=f"net\n{short(net)}", stepped=True, thin=True))
    return replace(
        sheet,
        figure=f"{short(gross)} open",
        subtitle=f"{words}\n{sheet.subtitle}",
        panels=[Panel(elements=elements, unit=Unit.MONEY, zero=True)],
    )


def _bands(points: tuple[ExposurePoint, ...]) -> Bands:
    """The symbols with most at stake each for itself, the rest together."""
    peaks: dict[str, Decimal] = {}
    for point in points:
        for symbol, worth in point.worth.items():
            peaks[symbol] = max(peaks.get(symbol, ZERO), abs(worth))
    ranked = sorted(peaks, key=lambda symbol: (-peaks[symbol], symbol))
    named = ranked if len(ranked) <= len(INKS) else ranked[: len(INKS) - 1]
    values = [[float(point.worth.get(symbol, ZERO)) for point in points] for symbol in named]
    if len(named) < len(ranked):
        rest = [symbol for symbol in ranked if symbol not in named]
        values.append([float(sum((point.worth.get(s, ZERO) for s in rest), start=ZERO)) for point in points])
        named = [*named, OTHERS]
    return Bands([point.ts_ns for point in points], named, values, INKS[: len(named)])
