"""The bench runs, is held to its oracle, puts peers beside us, and says under which rules it measured."""

import asyncio
import json
import stat
from decimal import Decimal

import pytest

from domain.errors import ConfigError
from research.bench import backtests, chat, core, crossing, indicators, l2, live, market, peers, run, sockets
from research.bench.journal import Row


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """The peers' data, made once; `arrays` refuses it unless it is theirs to the bit."""
    folder = tmp_path_factory.mktemp("bench")
    market.arrays("bars", folder)
    return folder


@pytest.mark.parametrize("pattern", ["alt", "drift"])
def test_the_oracle_of_immediate_orders_is_held_against_the_engine(pattern, cache, monkeypatch):
    assert backtests.run(f"orders_{pattern}", 2_000, cache)[0]["unit"] == "orders/s"
    monkeypatch.setattr(backtests, "taken_reference", lambda *_: Decimal(1))
    with pytest.raises(AssertionError, match="the oracle has"):
        backtests.run(f"orders_{pattern}", 500, cache)


def test_a_live_fill_that_was_not_booked_is_no_result(monkeypatch):
    def lose_third(self, intent) -> None:
        fill(self, intent)
        if len(self.sent) == 3:
            self.position += 1

    fill = live.InstantVenue._fill
    monkeypatch.setattr(live.InstantVenue, "_fill", lose_third)
    with pytest.raises(AssertionError, match="fills were booked"):
        live.run(20, 60)


def complete(rows) -> bool:
    return all(row["case"] and row["value"] >= 0 and row["unit"] and row["rules"] for row in rows)


def test_the_data_is_the_peers_to_the_bit(cache):
    bars, quotes, trades = (market.arrays(kind, cache) for kind in ("bars", "quotes", "trades"))
    assert bars[0].tolist()[1] == 500_000
    assert (len(bars), len(quotes), len(trades)) == (1_000_000, 1_000_000, 250_000)
    with pytest.raises(AssertionError, match="not those of the peers"):
        market.check("bars", bars[:-1])


def test_the_oracle_says_what_is_on_record(cache):
    assert backtests.reference(market.arrays("bars", cache), 10, 20) == backtests.ORACLE


def test_the_oracle_of_crossing_means_says_what_freqtrade_says(cache):
    orders, balance = crossing.reference(market.arrays("candles", cache), Decimal(100_000))
    assert (orders // 2, round(balance, 4)) == (crossing.TRADES, crossing.BALANCE)


def test_twenty_thousand_candles_are_crossed_as_freqtrade_does(cache):
    """Two crosses in a row make the second wait for the first one's fill, and not for ever at one instant."""
    orders, balance = crossing.reference(market.arrays("candles", cache)[:20_000], Decimal(100_000))
    (row, _) = backtests.run("sma_cross", 20_000, cache)
    assert orders > 700
    assert f"{orders:,} orders, balance {balance};" in row["rules"]


@pytest.mark.parametrize("name", list(backtests.CASES))
def test_every_backtest_case_passes_its_own_checks(name, cache):
    rows = backtests.run(name, 3_000, cache)
    assert complete(rows)
    assert rows[0]["value"] > 100
    assert "gate" in rows[0]["rules"]


def test_twenty_thousand_bars_have_the_oracles_orders_and_balance(cache):
    expected = backtests.reference(market.arrays("bars", cache)[:20_000], 10, 20)
    (row, _) = backtests.run("bars_ema", 20_000, cache)
    assert expected[0] > 800
    assert f"{expected[0]:,} orders, balance {expected[1]};" in row["rules"]


def test_a_wrong_balance_is_no_result(cache, monkeypatch):
    monkeypatch.setattr(backtests, "reference", lambda *_: (1, Decimal(1)))
    with pytest.raises(AssertionError, match="the oracle has"):
        backtests.run("bars_ema", 1_000, cache)


def test_the_core_is_measured(cache):
    rows = core.run(1_000, cache)
    assert complete(rows)
    assert {"core per bar", "core per book event", "risk gate", "50 strategies at once"} <= {r["case"] for r in rows}


def test_an_update_of_every_indicator_is_measured_beside_the_libraries():
    rows = indicators.run(5, (200,))
    assert complete(rows)
    assert {rival["engine"] for rival in rows[0]["rivals"]} == {"TA-Lib stream", "talipp"}
    assert rows[-1]["rivals"] == [], "neither has a one-sided kernel"


def test_a_long_history_and_a_long_run_are_measured_on_orders_that_stay(cache, monkeypatch):
    amended, closed = core.history_rows(2_000, cache)
    assert "messages" in amended["rules"]
    assert "1,000 closed positions" in closed["rules"]
    (grown,) = core.memory_rows(2_000, cache)
    assert "2,000 quotes" in grown["rules"]
    monkeypatch.setattr(core, "make_driver", lambda kind, _: backtests.make_driver(kind, {"every": 10}))
    with pytest.raises(AssertionError, match="two orders were to be amended"):
        core.history_rows(2_000, cache)


def test_live_latency_and_burst_are_measured_with_every_kind_of_journal():
    rows = live.run(30, 150)
    assert complete(rows)
    assert len(rows) == 9
    bursts = [row for row in rows if row["case"].startswith("burst")]
    assert all("150 orders" in row["rules"] and row["value"] > 10 for row in bursts)


@pytest.mark.process
def test_frames_become_orders_over_real_sockets():
    rows = sockets.run(20)
    assert complete(rows)
    assert all(row["value"] > 10 for row in rows)
    assert "fsync on" in rows[-1]["rules"]


def test_order_book_replay_is_the_same_each_time(monkeypatch):
    monkeypatch.setattr(l2, "BEST_OF", 1)
    monkeypatch.delenv("MOONDEV_DATA_DIR", raising=False)
    (row,) = l2.run(20_000)
    assert row["value"] > 10_000
    assert "100 ms" in row["rules"]


def executable(folder, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_peers_are_run_and_stand_beside_our_row(tmp_path):
    told = {"engine": "other", "version": "1.0", "case": "bars_ema", "per_s": 1000, "orders": 5, "balance": "7"}
    executable(tmp_path, "other-bars", f"echo noise; echo '{json.dumps(told)}'")
    executable(tmp_path, "broken", "echo no engine here >&2; exit 3")
    executable(tmp_path, "silent", "true")
    said: list[str] = []
    (figure,) = peers.run_peers(tmp_path, said.append)
    assert (figure.engine, figure.case, figure.value) == ("other 1.0", "bars_ema", 1000.0)
    assert any("broken failed with status 3: no engine here" in line for line in said)
    assert any("silent is left out: it printed no JSON line" in line for line in said)
    row = Row(case="bars_ema", value=2500.0, unit="bars/s", rules="all")
    ours, theirs = run.lines(row, [figure])
    assert "2,500 bars/s" in ours
    assert "other 1.0: we are 2.50x; orders 5, balance 7" in theirs


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"case": "orders_mkt", "pattern": "drift", "per_s": 3}, [("orders_drift", 3.0)]),
        ({"case": "bars_ema_py", "per_s": 4}, [("bars_ema", 4.0)]),
        (
            {"case": "bars_ema", "per_s": 4, "rss_peak_mb": 900, "wall_s": 60.5},
            [("bars_ema", 4.0), ("bars_ema peak memory", 900.0), ("bars_ema whole process", 60.5)],
        ),
        ({"value": 5}, [("l2_replay", 5.0)]),
        (
            {"tick_to_venue_us": {"p50": 1, "p99": 2}, "gap_us": 1000, "orders_per_s": 9},
            [("tick to venue p50, no journal", 1.0), ("tick to venue p99, no journal", 2.0)],
        ),
        ({"tick_to_venue_us": {"p50": 1}, "gap_us": None, "orders_per_s": 9}, [("burst, no journal", 9.0)]),
    ],
)
def test_the_lines_of_the_known_peers_are_understood(line, expected, tmp_path):
    figures = peers.parse(json.dumps(line), tmp_path / "hft-l2_replay.sh")
    assert [(figure.case, figure.value) for figure in figures] == expected


def test_less_is_better_for_times_and_memory():
    figure = peers.PeerFigure(engine="o", case="x", value=10.0)
    assert run.advantage(Row(case="x", value=5.0, unit="us", rules=""), figure) == 2.0
    assert run.advantage(Row(case="x", value=5.0, unit="bars/s", rules=""), figure) == 0.5


def test_wrong_arguments_get_a_sentence(tmp_path):
    with pytest.raises(ConfigError, match="no such folder"):
        peers.executables(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="no executables"):
        peers.executables(tmp_path)
    with pytest.raises(ConfigError, match="there are bars_ema"):
        run.measure("bars", tmp_path)


@pytest.mark.process
def test_the_command_prints_a_case_with_its_rules_and_writes_json(tmp_path, monkeypatch, cache):
    monkeypatch.setattr(run, "cache_folder", lambda: cache)
    said: list[str] = []
    report = run.bench("bars_ema", None, quick=True, say=said.append)
    assert "cores" in said[0] == report["machine"]
    assert [row["case"] for row in report["rows"]] == ["bars_ema", "bars_ema peak memory", "bars_ema whole process"]
    assert any("no journal" in line for line in said)


@pytest.mark.process
@pytest.mark.timeout(120)
def test_a_halt_is_measured_from_the_update_to_the_last_cancel_that_the_venue_confirmed():
    rows = asyncio.run(chat._halts("PAPER", 1, busy=False))
    assert complete(rows)
    assert [row["case"] for row in rows] == [
        "/halt to cancelled p50, Paper, idle",
        "/halt to cancelled p99, Paper, idle",
    ]
    assert 10 < rows[0]["value"] < 30_000, "the paper venue alone takes ten milliseconds"
