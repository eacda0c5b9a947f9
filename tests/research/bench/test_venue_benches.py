"""The benches of the venues run, beside the libraries that do the same, and refuse results that are wrong."""

import pytest

from research.bench import run, stand_in, venue_engine, venue_messages, venue_orders
from research.bench.table import TARGETS


@pytest.fixture(scope="module")
def rows():
    return {row["case"]: row for row in [*venue_messages.run(20), *venue_orders.run(40), *venue_engine.run(400)]}


def rivals(row) -> list[str]:
    return [rival["engine"] for rival in row["rivals"]]


def test_every_figure_says_its_unit_and_its_rules(rows):
    assert all(row["case"] and row["value"] >= 0 and row["unit"] and row["rules"] for row in rows.values())
    wanted = {case for case in TARGETS if case.startswith(("Hyperliquid", "budget")) or "whole engine" in case}
    assert wanted - set(rows) == {"Hyperliquid l2Book 20+20 frame to event"}


def test_messages_and_orders_are_measured_beside_ccxt_and_the_sdk(rows):
    assert set(rivals(rows["Hyperliquid l2Book 20+20 message"])) == {"ccxt.pro", "hyperliquid-python-sdk"}
    for name in ("Binance depthUpdate", "Bybit orderbook delta", "Phemex orderbook_p", "dYdX v4_orderbook"):
        assert rivals(rows[f"{name} 10+10 message"]) == ["ccxt.pro"]
    for name in ("Binance", "Bybit", "Phemex"):
        assert rivals(rows[f"{name} order signed"]) == ["ccxt.pro"]
    assert set(rivals(rows["Hyperliquid 40 orders in one action signed"])) == {"ccxt.pro", "hyperliquid-python-sdk"}
    assert "after 4,000 requests" in rows["budget keeper per request, later"]["rules"]
    assert "20 orders" in rows["orders through the whole engine"]["rules"]
    assert "38 amends booked" in rows["messages through the whole engine"]["rules"]


def test_a_venue_that_answers_nobody_is_no_result(monkeypatch):
    async def lose(self, frame: str) -> None:
        """Say nothing."""

    monkeypatch.setattr(stand_in.StandIn, "send_str", lose)
    monkeypatch.setattr(venue_engine, "PATIENCE_S", 0.3)
    with pytest.raises(TimeoutError):
        venue_engine.run(400)


def test_what_others_took_stands_beside_our_row(rows, monkeypatch):
    monkeypatch.setattr(run, "measure_apart", lambda *_args, **_more: [dict(rows["Hyperliquid order signed"])])
    said: list[str] = []
    [row] = run.bench("orders", None, quick=True, say=said.append)["rows"]
    assert [peer["engine"] for peer in row["peers"]] == ["hyperliquid-python-sdk", "ccxt.pro"]
    assert all(peer["ratio"] > 0 for peer in row["peers"])
    assert any("ccxt.pro: we are" in line for line in said)
