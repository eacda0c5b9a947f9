"""What charts show is what the desk knows; what it does not know is not drawn."""

from __future__ import annotations

from decimal import Decimal
from math import isnan
from types import SimpleNamespace
from typing import Any

import pytest

from bot.charts import draw as drawing
from bot.charts import price as price_chart
from bot.charts.common import curve, period
from bot.charts.sheet import Bands, Candles, Level, Line, Marks, Moment, Span
from bot.charts.ticks import MOST, ticks
from domain.commands import ManualTarget
from domain.performance import Candle, CurvePoint, Gap, Performance, PricePoint
from tests.bot.world import BTC, SECOND_NS, Engine, actor, fresh_id

MINUTE_NS = 60 * SECOND_NS
HOUR_NS, DAY_NS = 60 * MINUTE_NS, 1440 * MINUTE_NS
ZERO = Decimal(0)
SOL = "SOL-USDC-PERP.PAPER"


@pytest.fixture
async def engine():
    """With strategies at work, and a position that a person has bought."""
    engine = Engine(strategies=True)
    engine.play(200)
    command = ManualTarget(account="PAPER:main", instrument=SOL, qty=Decimal(5))
    assert (await engine.desk.submit(command, actor("tina"), fresh_id())).ok
    engine.play(5)
    return engine


async def sheet(engine, kind: str, symbol: str = "", hours: float = 1.0):
    now_ns = engine.now_ns()
    return await drawing.sheet_of(kind, engine.room, now_ns - round(hours * HOUR_NS), now_ns, symbol, "Europe/Berlin")


def kinds_of(shown) -> dict[type, list]:
    found: dict[type, list] = {}
    for panel in shown.panels:
        for element in panel.elements:
            found.setdefault(type(element), []).append(element)
    return found


async def test_a_price_chart_has_candles_our_fills_and_where_we_stand(engine):
    shown = await sheet(engine, "price", SOL, 0.1)
    found = kinds_of(shown)
    (candles,) = found[Candles]
    assert all(
        low <= close <= high for low, close, high in zip(candles.lows, candles.closes, candles.highs, strict=True)
    )
    assert sum(len(mark.times) for mark in found[Marks]) >= 1
    words = [level.label.split("\n")[0].split(" ")[0] for level in found[Level]]
    assert "long" in words
    assert shown.figure.startswith(f"{engine.desk.prices()[SOL]:,f}".rstrip("0").rstrip("."))
    assert "candles of the venue" in shown.subtitle


async def test_without_candles_the_engines_own_samples_are_drawn_and_it_is_said(engine, monkeypatch):
    monkeypatch.setattr(engine.desk.past, "feed", None)
    shown = await sheet(engine, "price", BTC)
    (line,) = kinds_of(shown)[Line]
    assert len(line.times) > 2
    assert "no candles: no market data is connected" in " ".join(shown.subtitle.split())


async def test_prices_nobody_knows_are_an_empty_picture_with_the_reason(engine):
    before = engine.now_ns() - 900 * DAY_NS
    shown = await drawing.sheet_of("price", engine.room, before, before + HOUR_NS, BTC, "UTC")
    assert "No prices of BTC" in shown.empty
    assert not shown.panels


async def test_the_last_moment_of_an_exposure_chart_is_what_is_open(engine):
    shown = await sheet(engine, "exposure")
    (bands,) = kinds_of(shown)[Bands]
    now = dict(zip(bands.names, (values[-1] for values in bands.values), strict=True))
    held: dict[str, float] = {}
    for view in engine.desk.positions():
        name = view.instrument.partition("-")[0]
        held[name] = held.get(name, 0.0) + float(view.notional)
    assert {name: worth for name, worth in now.items() if worth} == pytest.approx({n: w for n, w in held.items() if w})


async def test_strategies_add_up_to_the_figure(engine):
    shown = await sheet(engine, "strategies")
    seen = await engine.desk.performance(engine.now_ns() - HOUR_NS, engine.now_ns())
    assert shown.rows is not None
    assert sum(shown.rows.values) == pytest.approx(float(seen.net))
    assert "by hand" in shown.rows.names


async def test_without_a_position_or_a_trade_the_picture_says_so():
    idle = Engine()
    idle.play(130)
    assert (await sheet(idle, "exposure")).empty == "No position was open in this period."
    assert (await sheet(idle, "strategies")).empty == "Nothing was traded or held in this period."
    assert (await sheet(idle, "drawdown")).figure == "0% now"


def test_a_gap_breaks_the_curve():
    points = tuple(CurvePoint(n * MINUTE_NS, Decimal(n), ZERO, ZERO) for n in (1, 2, 60, 61))
    seen = Performance(since_ns=0, until_ns=1, points=points, gaps=(Gap(2 * MINUTE_NS, 60 * MINUTE_NS),))
    times, values = curve(seen, lambda point: point.equity)
    assert [("gap" if isnan(v) else v) for v in values] == [1, 2, "gap", 60, 61]
    assert times == sorted(times)
    sampled = [PricePoint(point.ts_ns, point.equity) for point in points]
    assert sum(map(isnan, price_chart._line(sampled, seen.gaps).values)) == 1


async def test_money_paid_in_is_marked_and_time_without_data_is_shaded():
    points = [CurvePoint(n * MINUTE_NS, Decimal(100), ZERO, ZERO) for n in range(3)]
    points.append(CurvePoint(3 * MINUTE_NS, Decimal(160), ZERO, Decimal(10)))
    seen = Performance(
        since_ns=0, until_ns=9, to_ns=3 * MINUTE_NS, points=tuple(points), gaps=(Gap(0, MINUTE_NS),),
        start_equity=Decimal(100), end_equity=Decimal(160), deposits=Decimal(50),
    )  # fmt: skip

    async def performance(_since_ns, _until_ns):
        return seen

    status = SimpleNamespace(environment="paper", market="none")
    desk: Any = SimpleNamespace(performance=performance, status=lambda: status)
    found = kinds_of(await drawing.MAKERS["equity"](desk, 0, 9, "UTC", ""))
    assert [moment.label for moment in found[Moment]] == ["50.00 paid in"]
    assert [span.label for span in found[Span]] == ["no data", ""]


def test_short_bars_are_put_together_without_losing_a_high_or_a_low():
    bars = [Candle(n * MINUTE_NS, *(Decimal(v) for v in (n, n + 5, n - 5, n + 1))) for n in range(2, 8)]
    first, second, third = price_chart.together(bars, 3 * MINUTE_NS)
    assert (first.ts_ns, int(first.open), int(first.close)) == (0, 2, 3)
    assert [int(v) for v in (second.open, second.high, second.low, second.close)] == [3, 10, -2, 6]
    assert third.ts_ns == 6 * MINUTE_NS


@pytest.mark.parametrize(
    "span_ns", [40 * SECOND_NS, MINUTE_NS, HOUR_NS, 5 * HOUR_NS, DAY_NS, 9 * DAY_NS, 40 * DAY_NS, 800 * DAY_NS]
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Sao_Paulo"])
def test_a_time_axis_has_few_marks_at_round_times_of_the_zone(span_ns, zone):
    end_ns = 1_793_000_123 * SECOND_NS
    found = ticks(end_ns - span_ns, end_ns, zone)
    assert 1 <= len(found) <= MOST + 1
    assert [at for at, _ in found] == sorted({at for at, _ in found})
    assert all(end_ns - span_ns <= at <= end_ns and words for at, words in found)


def test_marks_stay_round_where_clocks_change():
    change_ns = 1_792_886_400 * SECOND_NS
    found = ticks(change_ns - 8 * HOUR_NS, change_ns + 16 * HOUR_NS, "Europe/Berlin")
    assert {words[-3:] for _, words in found if ":" in words} == {":00"}


def test_a_period_is_said_in_the_zone():
    noon_ns = 1_795_953_600 * SECOND_NS
    assert period(noon_ns, noon_ns + HOUR_NS, "Europe/Berlin") == "29 Nov 2026, 13:00 to 14:00 CET"
    assert period(noon_ns, noon_ns + 2 * DAY_NS, "UTC") == "29 Nov 12:00 to 01 Dec 2026 12:00 UTC"
