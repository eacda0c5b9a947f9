"""The curve of a period, by hand-made samples: falls, deposits, days, gaps, and what a thinned curve keeps."""

from __future__ import annotations

import random
from decimal import Decimal

from domain.performance import Part
from domain.settings import DAY_NS, MINUTE_NS
from engine.curve import BUCKETS, Curve, Sample
from engine.performance import Book, CashRow, FillRow, HeldRow, summed_up

ZERO = Decimal(0)
MIDNIGHT = 20_000 * DAY_NS


def sample(minute: int, equity: int | str, deposits: int | str = 100, fees: int = 0) -> Sample:
    """So many minutes after midnight; what was not paid in was earned, and is realised."""
    worth = Decimal(equity)
    realised = worth - Decimal(deposits) + fees
    return Sample(minute + 1, MIDNIGHT + minute * MINUTE_NS, worth, ((ZERO, realised, Decimal(fees), ZERO),))


def curve_of(*samples: Sample) -> Curve:
    curve = Curve(samples[0], samples[-1].ts_ns)
    for each in samples[1:]:
        curve.add(each)
    return curve


def fill(minute: int, side: int, qty: int, realised: str = "0", owner: str = "it", instrument: str = "BTC-X.PAPER"):
    at = MIDNIGHT + minute * MINUTE_NS
    return FillRow(at, "PAPER:main", instrument, owner, side, qty, Decimal(1), Decimal(realised), 100)


def test_the_deepest_fall_has_its_peak_its_trough_and_when_it_was_made_good():
    fall = curve_of(*(sample(n, worth) for n, worth in enumerate((100, 120, 90, 110, 125, 124)))).worst
    assert (fall.fraction, fall.amount) == (Decimal("0.25"), Decimal(30))
    assert [(t - MIDNIGHT) // MINUTE_NS for t in (fall.peak_ns, fall.trough_ns, fall.recovered_ns)] == [1, 2, 4]


def test_money_paid_in_makes_good_no_fall_and_money_paid_out_is_none():
    paid_in = curve_of(sample(0, 100), sample(1, 80), sample(2, 180, 200), sample(3, 180, 200))
    assert paid_in.worst.fraction == Decimal("0.2")
    assert paid_in.drawdown == Decimal("0.2")
    assert paid_in.worst.recovered_ns == 0
    paid_out = curve_of(sample(0, 100), sample(1, 40, 40), sample(2, 40, 40))
    assert paid_out.worst.fraction == 0
    assert paid_out.growth == 0


def test_growth_is_that_of_the_capital_that_was_there():
    doubled_then_halved = curve_of(sample(0, 100), sample(1, 200), sample(2, 1200, 1100), sample(3, 600, 1100))
    assert doubled_then_halved.growth == 0
    assert curve_of(sample(0, 0, 0), sample(1, 0, 0)).growth is None
    assert curve_of(sample(0, 0, 0), sample(1, 100, 100), sample(2, 150, 100)).growth == Decimal("0.5")


def test_a_period_that_ends_below_zero_is_a_loss_of_more_than_everything_and_no_error():
    ruined = curve_of(sample(0, 100), sample(1, -20), sample(2, -30))
    assert ruined.worst.fraction == Decimal("1.3")
    assert ruined.growth == Decimal("-1.3")


def test_days_are_cut_at_the_first_sample_in_each():
    day = DAY_NS // MINUTE_NS
    curve = curve_of(sample(5, 100), sample(day - 1, 110), sample(day + 1, 115), sample(day + 2, 90))
    seen = summed_up(0, 1, curve, Book([]), ())
    assert [(row.net, row.equity) for row in seen.by_day] == [(Decimal(15), Decimal(115)), (Decimal(-25), Decimal(90))]
    assert [row.day for row in seen.by_day] == ["2024-10-04", "2024-10-05"]


def test_a_time_without_samples_is_a_gap():
    curve = curve_of(sample(0, 100), sample(1, 101), sample(60, 102), sample(61, 103))
    assert [((g.from_ns - MIDNIGHT) // MINUTE_NS, (g.to_ns - MIDNIGHT) // MINUTE_NS) for g in curve.gaps] == [(1, 60)]


def test_a_thinned_curve_loses_no_extreme():
    rng = random.Random(5)
    worth, samples = 10_000, []
    for minute in range(30_000):
        worth += rng.randint(-9, 9)
        if minute == 17_777:
            samples.append(sample(minute, worth + 900))
        elif minute == 23_456:
            samples.append(sample(minute, worth - 900))
        else:
            samples.append(sample(minute, worth))
    curve = curve_of(*samples)
    points = curve.points()
    assert len(points) < 8 * BUCKETS
    worths = [s.equity for s in samples]
    assert max(p.equity for p in points) == max(worths)
    assert min(p.equity for p in points) == min(worths)
    assert max(p.drawdown for p in points) == curve.worst.fraction
    assert (points[0].ts_ns, points[-1].ts_ns) == (samples[0].ts_ns, samples[-1].ts_ns)
    assert [p.ts_ns for p in points] == sorted({p.ts_ns for p in points})


def test_ratios_of_too_few_days_and_trades_say_how_few():
    book = Book([])
    book.fill(fill(0, 1, 5))
    book.fill(fill(1, -1, 5, "9"))
    seen = summed_up(0, 1, curve_of(sample(0, 100), sample(2, 107)), book, ())
    assert (seen.trades, seen.wins, seen.gross_profit) == (1, 1, Decimal(7))
    assert seen.win_rate.value is seen.sharpe.value is seen.profit_factor.value is None
    assert seen.win_rate.caveat == "insufficient data: n = 1 round trips, at least 30 needed"
    assert seen.sharpe.caveat.startswith("insufficient data: n = 0 daily returns")


def test_enough_days_have_a_sharpe_and_a_sortino_ratio():
    day = DAY_NS // MINUTE_NS
    worth, samples = Decimal(1000), []
    for n in range(40):
        worth *= Decimal("1.02") if n % 3 else Decimal("0.99")
        samples.append(sample(n * day + 10, str(worth), 1000))
    seen = summed_up(0, 1, curve_of(*samples), Book([]), ())
    assert seen.sharpe.n == seen.sortino.n == 38
    assert seen.sharpe.value
    assert seen.sortino.value
    assert seen.sortino.value > seen.sharpe.value > 5


def test_an_open_position_counts_by_what_changed_and_funding_goes_to_its_strategy():
    held = HeldRow("PAPER:main", "BTC-X.PAPER", "it", 5, Decimal(40))
    book = Book([held])
    book.cash(CashRow("funding", "PAPER:main", "BTC-X.PAPER", "it", Decimal(-3)))
    book.cash(CashRow("deposit", "PAPER:main", "", "", Decimal(500)))
    book.fill(fill(1, -1, 5, "30"))
    total = Part(name="", realised=Decimal(30), unrealised=Decimal(-40), fees=Decimal(1), funding=Decimal(-3))
    (part,) = book.parts(lambda owner, _account, _instrument: owner, total)
    assert (part.name, part.net, part.trades) == ("it", Decimal(-14), 1)


def test_what_nobody_booked_stands_as_a_row_of_its_own_and_the_sum_stays_whole():
    book = Book([])
    book.fill(fill(0, 1, 5))
    total = Part(name="", realised=Decimal(7), fees=Decimal(1))
    parts = book.parts(lambda owner, _account, _instrument: owner, total)
    assert {part.name: part.net for part in parts} == {"not attributed": 7, "it": -1}
