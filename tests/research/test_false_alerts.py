"""False alerts are counted by the definition: worse by half of the threshold, or for nothing."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from domain.breakers import MINUTE_NS
from domain.errors import DataError
from domain.settings import DAY_NS
from engine.data.tables import BarTable
from research.false_alerts import Bars, Rate, drawdown, portfolio_loss, volatility
from risk.matrix import DEFAULTS

PAUSE, LOSS, BELOW = DEFAULTS.volatility, DEFAULTS.portfolio_loss, DEFAULTS.drawdown
BAND = Decimal("0.05")


def bars(closes: list[float], lows: list[float] | None = None, step_ns: int = MINUTE_NS) -> Bars:
    """Bars that open at the last close; the first day is a whole one."""
    close = np.array(closes)
    opened = np.concatenate((close[:1], close[:-1]))
    low = np.minimum(np.minimum(opened, close), np.array(lows) if lows else np.inf)
    ts = np.arange(len(closes), dtype=np.int64) * step_ns + 20_000 * DAY_NS
    high = np.maximum(opened, close)
    table = BarTable(
        name="t", interval_ns=step_ns, open_ts_ns=ts, open=opened, high=high, low=low, close=close, volume=close
    )
    return Bars(table)


def test_a_day_that_goes_on_losing_is_no_false_alert_and_one_that_stops_there_is() -> None:
    assert LOSS is not None
    deep = portfolio_loss(bars([100, 100, 97, 94, 92]), LOSS, 1)
    shallow = portfolio_loss(bars([100, 100, 97, 94.5, 99]), LOSS, 1)
    assert [trip.is_false for trip in deep] == [False]
    assert [trip.is_false for trip in shallow] == [True]
    assert portfolio_loss(bars([100, 100, 97, 95.5]), LOSS, 1) == []
    assert [trip.is_false for trip in portfolio_loss(bars([100, 106, 108]), LOSS, -1)] == [False]


def test_a_day_trips_once_and_the_next_one_again() -> None:
    assert LOSS is not None
    found = portfolio_loss(bars([100, 94, 100, 94, 100, 100], step_ns=DAY_NS // 3), LOSS, 1)
    assert len(found) == 2


def test_a_drawdown_counts_what_comes_within_its_cool_down_only() -> None:
    assert BELOW is not None
    at_once = drawdown(bars([100, 100, 86, 84, 76]), BELOW, 1)
    later = drawdown(bars([100, 100, 86, 84, *[84.0] * 60, 76]), BELOW, 1)
    assert [trip.is_false for trip in at_once] == [False]
    assert [trip.is_false for trip in later] == [True]
    with pytest.raises(DataError, match="longer than the cool-down"):
        drawdown(bars([100, 80], step_ns=DAY_NS), BELOW, 1)


def test_a_pause_is_false_unless_the_price_runs_on_by_half_of_the_band() -> None:
    assert PAUSE is not None
    calm = [100.0] * 10
    assert [trip.is_false for trip in volatility(bars([*calm, 91, 91, 90, 90]), PAUSE, BAND)] == [True]
    assert [trip.is_false for trip in volatility(bars([*calm, 91, 91, 90, 88]), PAUSE, BAND)] == [False]
    assert volatility(bars([*calm, 91, 99, 91, 99]), PAUSE, BAND) == []
    with pytest.raises(DataError, match="no mean"):
        volatility(bars(calm, step_ns=5 * MINUTE_NS), PAUSE, BAND)


def test_few_trips_are_not_enough_and_many_have_wilsons_interval() -> None:
    assert Rate(3, 49).text == "not enough: n = 49, 3 false (2-17 %)"
    assert Rate(0, 0).text == "not enough: n = 0"
    # Wilson for 5 of 100, as in Newcombe, Stat. Med. 17 (1998)
    low, high = Rate(5, 100).interval
    assert (round(low, 4), round(high, 4)) == (0.0215, 0.1118)
    assert Rate(5, 100).text.startswith("5.0 % false (5 of 100")
