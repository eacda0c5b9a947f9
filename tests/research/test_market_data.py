"""What belongs together in one run: bars, and the funding of their time."""

from __future__ import annotations

import numpy as np
import pytest

from domain.errors import DataError
from engine.config import load_config
from engine.data.tables import BarTable, FundingTable
from research.market_data import bar_data

MINUTE_NS, HOUR_NS = 60_000_000_000, 3_600_000_000_000
CHARGED_NS = 1_760_054_400_000_000_000
"""Midnight: the last charge that is told; the next one is eight hours later."""
BTC = load_config(None).to_settings().instruments[0]
ONES = np.ones(60)


@pytest.mark.parametrize(("after_h", "is_refused"), [(0, False), (2, False), (23, False), (72, True)])
def test_bars_between_two_charges_belong_to_the_last_one_and_rates_of_other_days_to_nothing(
    after_h: int, is_refused: bool
) -> None:
    """Otherwise it would depend on the time of day whether the last four hours can be tested with their funding."""
    opened = CHARGED_NS + after_h * HOUR_NS + MINUTE_NS + np.arange(60) * MINUTE_NS
    bars = BarTable(
        name="bars",
        interval_ns=MINUTE_NS,
        open_ts_ns=opened,
        open=ONES,
        high=ONES,
        low=ONES,
        close=ONES,
        volume=ONES,
    )
    rates = FundingTable(name="rates", ts_ns=CHARGED_NS - np.arange(2, -1, -1) * 8 * HOUR_NS, rate=ONES[:3] / 10_000)
    if is_refused:
        with pytest.raises(DataError, match="its rates are from"):
            bar_data(bars, BTC, rates, "sha", ())
    else:
        assert "funding from rates, paid on the closes" in bar_data(bars, BTC, rates, "sha", ()).notes
