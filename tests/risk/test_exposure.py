"""Exposure added up, and the level of risk by drawdown."""

from __future__ import annotations

from decimal import Decimal

import pytest

from risk.exposure import Exposure, RiskLevel, exposures, maintenance, margin_used, risk_level
from tests.risk.test_stress import SUB, holding

D = Decimal


def test_longs_and_shorts_of_one_asset_net_but_do_not_vanish() -> None:
    held = [holding("BTC", 50_000), holding("BTC", -30_000, account=SUB), holding("ETH", 70_000)]
    rows = exposures(held, lambda h: h.asset)
    assert rows[0] == Exposure(name="BTC", long=D(50_000), short=D(30_000))
    assert (rows[0].net, rows[0].gross) == (D(20_000), D(80_000))
    assert rows[1].name == "ETH"
    assert exposures(held, lambda h: h.account)[1] == Exposure(name=SUB, long=D(0), short=D(30_000))
    assert margin_used(held) == 150_000 * D("0.05")
    assert maintenance(held) == 150_000 * D("0.025")


@pytest.mark.parametrize(
    ("drawdown", "level"),
    [
        ("0", "low"), ("0.0999", "low"), ("0.10", "medium"), ("0.1499", "medium"), ("0.15", "high"),
        ("0.1999", "high"), ("0.20", "critical"), ("1.5", "critical"),
    ],
)  # fmt: skip
def test_the_level_goes_by_the_drawdown(drawdown: str, level: str) -> None:
    assert risk_level(D(drawdown)) is RiskLevel(level)
