"""The price of an instrument with what we did and want there: fills, stops, quotes, and where we stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from bot.charts.common import NAN, gap_spans, heading, percent, price_text
from bot.charts.sheet import Candles, Element, Ink, Level, Line, Marks, Panel, Sheet, Unit
from bot.message import base_name
from domain.performance import Candle, Gap, PricePoint
from domain.settings import DAY_NS, HOUR_NS, MINUTE_NS
from domain.views import OrderView, TradeRow

if TYPE_CHECKING:
    from engine.desk import Desk

BASES: Final = (MINUTE_NS, 5 * MINUTE_NS, 15 * MINUTE_NS, HOUR_NS, 4 * HOUR_NS, DAY_NS)
"""Lengths of bars that every venue has."""
SHOWN: Final = (
    *(n * MINUTE_NS for n in (1, 2, 5, 10, 15, 30)),
    *(n * HOUR_NS for n in (1, 2, 4, 8, 12)),
    *(n * DAY_NS for n in (1, 2, 7, 14, 30)),
)
"""Lengths of candles that people know; what venues do not have is put together."""
MOST_CANDLES: Final = 100
"""More are too thin on a phone."""
MOST_MARKS: Final = 40
"""Of each side; more fills are put together by time."""
LONG: Final = 12
"""Characters that stand in one line beside the scale."""
NEAR: Final = 0.8
"""Levels further from the prices than this much of their range are told in words, not drawn."""
WORDS: Final = {
    "stop": "stop",
    "take_profit": "target",
    "quote": "",
    "limit": "limit",
    "target": "order",
    "take": "order",
}


async def price(desk: Desk, since_ns: int, until_ns: int, zone: str, symbol: str) -> Sheet:
    """Candles where the venue has them, else the prices that the engine sampled itself; and it says which."""
    now_ns = desk.clock.now_ns()
    last = desk.prices().get(symbol)
    fills = list(await desk.past.fills(since_ns, until_ns, symbol))
    shown_ns = _length(since_ns, until_ns)
    base_ns = max(base for base in BASES if shown_ns % base == 0)
    found = await desk.past.candles(symbol, base_ns, since_ns // shown_ns * shown_ns, until_ns)
    name = base_name(symbol, desk.instruments())
    if found.candles:
        bars = together(found.candles, shown_ns)
        drawn: list[Element] = [_candles(bars, shown_ns)]
        first, low, high = bars[0].open, min(bar.low for bar in bars), max(bar.high for bar in bars)
        begins, ends, close = bars[0].ts_ns, bars[-1].ts_ns + shown_ns, bars[-1].close
        source = f"{_span(shown_ns)} candles of the venue"
    else:
        points, gaps = desk.past.samples(symbol, since_ns, until_ns)
        if not points:
            why = f"No prices of {name} in this period: {found.problem}, and the engine has sampled none."
            return replace(heading(desk, name, since_ns, until_ns, zone), figure="No data", empty=why)
        drawn = [*gap_spans(gaps), _line(points, gaps)]
        prices = [point.price for point in points]
        first, low, high, close = prices[0], min(prices), max(prices), prices[-1]
        begins, ends = points[0].ts_ns, points[-1].ts_ns
        source = f"sampled by the engine; no candles: {found.problem}"
    is_live = now_ns - until_ns < shown_ns and last is not None
    close = last if is_live and last is not None else close
    levels, beyond = _levels(desk, symbol, low, high, now_ns) if is_live else ([], [])
    notes = [source, _fills_words(fills), *beyond]
    sheet = heading(desk, name, begins, until_ns if is_live else ends, zone, [" · ".join(filter(None, notes))])
    here = Level(float(close), price_text(close), Ink.QUIET, since_ns=ends)
    share = percent(close / first - 1, sign=True) if first else ""
    return replace(
        sheet,
        figure=f"{price_text(close)}  {share}",
        panels=[Panel(elements=[*drawn, *levels, here, *_marks(fills)], unit=Unit.PRICE)],
    )


def _length(since_ns: int, until_ns: int) -> int:
    """The shortest candle that is not too thin."""
    return next((span for span in SHOWN if (until_ns - since_ns) / span <= MOST_CANDLES), SHOWN[-1])


def _span(ns: int) -> str:
    for unit, size in (("d", DAY_NS), ("h", HOUR_NS)):
        if ns >= size:
            return f"{ns // size} {unit}"
    return f"{ns // MINUTE_NS} min"


def together(bars: Sequence[Candle], length_ns: int) -> list[Candle]:
    """Bars put together to longer ones; a long one that lacks a short one is made of those that are there."""
    made: dict[int, Candle] = {}
    for bar in bars:
        begins = bar.ts_ns // length_ns * length_ns
        so_far = made.get(begins)
        if so_far is None:
            made[begins] = replace(bar, ts_ns=begins)
        else:
            high, low = max(so_far.high, bar.high), min(so_far.low, bar.low)
            made[begins] = replace(so_far, high=high, low=low, close=bar.close)
    return list(made.values())


def _candles(bars: Sequence[Candle], length_ns: int) -> Candles:
    return Candles(
        times=[bar.ts_ns for bar in bars],
        interval_ns=length_ns,
        opens=[float(bar.open) for bar in bars],
        highs=[float(bar.high) for bar in bars],
        lows=[float(bar.low) for bar in bars],
        closes=[float(bar.close) for bar in bars],
    )


def _line(points: Sequence[PricePoint], gaps: Iterable[Gap]) -> Line:
    breaks = {gap.to_ns: gap.from_ns for gap in gaps}
    times: list[int] = []
    values: list[float] = []
    for point in points:
        if point.ts_ns in breaks:
            times.append(breaks[point.ts_ns])
            values.append(NAN)
        times.append(point.ts_ns)
        values.append(float(point.price))
    return Line(times, values)


def _levels(desk: Desk, symbol: str, low: Decimal, high: Decimal, now_ns: int) -> tuple[list[Element], list[str]]:
    """Working orders and the entry, as lines; those that are far off, in words."""
    room = max((high - low) * Decimal(str(NEAR)), high * Decimal("0.002"))
    drawn: list[Element] = []
    beyond: list[str] = []

    def add(value: Decimal, word: str, ink: Ink, since_ns: int) -> None:
        if low - room <= value <= high + room:
            text = price_text(value)
            apart = "\n" if len(word) + len(text) >= LONG else " "
            drawn.append(Level(float(value), f"{word}{apart}{text}", ink, since_ns=since_ns))
        else:
            beyond.append(f"{word} {price_text(value)} off the picture")

    for view in desk.positions():
        if view.instrument == symbol and view.qty:
            side = "long" if view.qty > 0 else "short"
            add(view.entry_price.quantize(view.mark_price), side, Ink.THIRD, 0)
    for order in desk.orders():
        value = order.trigger or order.price
        if order.instrument == symbol and value:
            add(value, _word(order), _ink(order), now_ns - round(order.age_s * 1e9))
    return drawn, beyond


def _word(view: OrderView) -> str:
    return WORDS.get(view.role) or view.side


def _ink(view: OrderView) -> Ink:
    if view.role in {"stop", "take_profit"}:
        return Ink.LIMIT
    return Ink.BUY if view.side == "buy" else Ink.SELL


def _fills_words(fills: Sequence[TradeRow]) -> str:
    if not fills:
        return "no fills of ours"
    bought = sum(fill.side == "buy" for fill in fills)
    return f"ours: {bought} bought, {len(fills) - bought} sold"


def _marks(fills: Sequence[TradeRow]) -> list[Element]:
    return [
        _marks_of([fill for fill in fills if fill.side == side], ink)
        for side, ink in (("buy", Ink.BUY), ("sell", Ink.SELL))
        if any(fill.side == side for fill in fills)
    ]


def _marks_of(fills: Sequence[TradeRow], ink: Ink) -> Marks:
    """Fills as points, sized by quantity; too many are put together by time, at their average price."""
    span_ns = max(1, (fills[-1].ts_ns - fills[0].ts_ns) // MOST_MARKS + 1)
    groups: dict[int, list[TradeRow]] = {}
    for n, fill in enumerate(fills):
        key = (fill.ts_ns - fills[0].ts_ns) // span_ns if len(fills) > MOST_MARKS else n
        groups.setdefault(key, []).append(fill)
    times, values, sizes = [], [], []
    for group in groups.values():
        qty = sum((fill.qty for fill in group), start=Decimal(0))
        worth = sum((fill.qty * fill.price for fill in group), start=Decimal(0))
        times.append(sum(fill.ts_ns for fill in group) // len(group))
        values.append(float(worth / qty))
        sizes.append(float(qty))
    most = max(sizes)
    return Marks(times, values, [(size / most) ** 0.5 for size in sizes], ink)
