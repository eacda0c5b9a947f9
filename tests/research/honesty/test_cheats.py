"""Every planted cheat is caught by the check that is meant for it, and an honest strategy by none."""

import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from engine.config import load_config
from engine.data.tables import BarTable
from engine.strategies.registry import load_file
from exchanges.paper.config import FillModel, PaperConfig
from research.backtest import BacktestSettings, StrategyRequest
from research.honesty.check import CHECKS, QUICK, check_strategy
from research.honesty.repaint import check_indicator
from research.honesty.universe import life
from research.honesty.verdict import Finding, Light, Verdict
from research.market_data import MarketData, assumed, bar_data

CHEATS = Path(__file__).parent / "cheats"
CORE = load_config(None).to_settings()
SETTINGS = BacktestSettings(core=CORE, sample_ns=3_600 * 10**9)
FIVE_MINUTES_NS = 300 * 10**9
START_NS = 1_672_531_200 * 10**9
GREEN, AMBER, RED, GREY = Light.GREEN, Light.AMBER, Light.RED, Light.GREY


def walk(seed: int = 1, count: int = 400, bounce: float = 0.0) -> BarTable:
    """A random walk of bars; `bounce` is how much of each move the next one takes back."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, 0.002, (count, 4)).round(5)
    steps = moves[:, 3] - bounce * np.concatenate(([0.0], moves[:-1, 3]))
    close = np.round(100 * np.exp(np.cumsum(steps)), 2)
    first = np.concatenate(([100.0], close[:-1]))
    high = np.round(np.maximum(first, close) * (1 + np.abs(moves[:, 0]) / 2), 2)
    low = np.round(np.minimum(first, close) * (1 - np.abs(moves[:, 1]) / 2), 2)
    return BarTable(
        name="walk",
        interval_ns=FIVE_MINUTES_NS,
        open_ts_ns=START_NS + FIVE_MINUTES_NS * np.arange(count, dtype=np.int64),
        open=first,
        high=high,
        low=low,
        close=close,
        volume=rng.integers(1, 1000, count).astype(float),
    )


def source(table: BarTable, name: str = "ABC-USDT-PERP.PAPER", *, free: bool = False) -> MarketData:
    instrument, notes = assumed(name, table, CORE.instruments[0])
    if free:
        instrument = replace(instrument, maker_fee=Decimal(0), taker_fee=Decimal(0))
    return bar_data(table, instrument, None, "", notes)


TABLE = walk()
DATA = source(TABLE)
CLOSES = TABLE.close.tolist()


def check(
    name: str, *only: str, data: MarketData = DATA, fills: str = "next_open", file: Path | None = None, **params
) -> Verdict:
    request = StrategyRequest(kind=str(file or CHEATS / f"{name}.py"), params=params)
    settings = replace(SETTINGS, paper=PaperConfig(fill_model=FillModel(fills)))
    return check_strategy(request, [data], settings, only=only)


def lights(verdict: Verdict) -> dict[str, Light]:
    return {finding.check: finding.light for finding in verdict.findings}


def test_an_honest_strategy_is_blamed_for_nothing():
    names = [each.name for each in CHECKS if each.name != "other processes"]  # takes seconds
    verdict = check_strategy(StrategyRequest(kind=str(CHEATS / "honest.py")), [DATA], SETTINGS, QUICK, only=names)
    assert {f.check: f.claim for f in verdict.findings if f.light in {RED, AMBER}} == {}
    assert [f.check for f in verdict.findings] == names
    assert verdict.light is GREEN


def test_a_file_that_reads_the_prices_is_not_even_loaded():
    verdict = check("reads_file")
    assert verdict.light is RED
    assert "line 9: a strategy may not call open()" in verdict.findings[0].claim


def test_prices_read_by_the_back_door_are_seen(tmp_path):
    path = tmp_path / "closes.csv"
    path.write_text("\n".join(map(str, CLOSES)))
    found = check("back_door", "reach", path=str(path)).found("reach")
    assert found.light is RED
    assert "pathlib" in found.claim
    assert "read_text" in found.claim


def test_sides_brought_along_by_time_are_caught_in_another_year(tmp_path):
    rises = np.diff(TABLE.close) > 0
    times = (TABLE.open_ts_ns[:-1] + FIVE_MINUTES_NS) // 10**9
    known = dict(zip(times.tolist(), np.where(rises, 1, -1).tolist(), strict=True))
    file = tmp_path / "by_time.py"
    text = (CHEATS / "by_time.py").read_text()
    file.write_text(text.replace("KNOWN: dict[int, int] = {}", f"KNOWN = {known}"))
    verdict = check("by_time", "calendar", "follows the market", "brought along", "too good to be true", file=file)
    expected = {"calendar": RED, "follows the market": AMBER, "brought along": AMBER, "too good to be true": RED}
    assert lights(verdict) == expected


def test_sides_looked_up_by_day_and_hour_of_any_year_are_caught_a_week_later(tmp_path):
    rises = np.where(np.diff(TABLE.close) > 0, 1, -1).tolist()
    file = tmp_path / "by_day.py"
    text = (CHEATS / "by_time.py").read_text()
    file.write_text(
        text.replace("KNOWN: dict[int, int] = {}", f"KNOWN = {dict(enumerate(rises, 1))}").replace(
            "view.ts_ns // 10**9, ", "view.ts_ns // 10**9 % (10_227 * 86_400) // 300 - 5_575_104 % (10_227 * 288), "
        )
    )
    found = check("by_day", "calendar", file=file).found("calendar")
    assert found.light is AMBER
    assert "a week later" in found.claim


def test_prices_brought_along_by_number_are_found_in_the_parameters():
    verdict = check("by_number", "brought along", "warm-up", "too good to be true", closes=CLOSES)
    assert lights(verdict)["brought along"] is RED
    assert "400 numbers, 100% of them prices of this tape" in verdict.found("brought along").claim
    assert lights(verdict)["warm-up"] is RED
    assert lights(verdict)["too good to be true"] is RED


def test_prices_looked_up_by_price_are_too_good_to_be_true():
    secret = " ".join(str(close / 0.37) for close in CLOSES)
    verdict = check("by_price", "too good to be true", "brought along", secret=secret)
    assert lights(verdict) == {"brought along": RED, "too good to be true": RED}


def test_a_climb_through_frames_to_the_tape_is_seen_and_changes_with_the_future():
    verdict = check("by_frames", "reach", "look-ahead")
    assert lights(verdict) == {"reach": RED, "look-ahead": RED}
    found = verdict.found("look-ahead")
    assert 0 < found.figures["ahead_s"] <= 900
    (evidence,) = found.evidence
    assert re.fullmatch(r"bar \d+ 2023-01-0\d \d\d:\d\d: on the whole tape: .*; on a tape .*", evidence.text())
    assert evidence.first != evidence.second


def test_orders_that_fill_at_the_close_they_were_decided_on_are_caught():
    bouncy = source(walk(bounce=0.5))
    found = check("at_the_close", "fills", data=bouncy, fills="same_close").found("fills")
    assert found.light is RED
    assert found.figures["pnl"] > 0
    assert found.evidence[0].first == found.evidence[0].second


def test_a_limit_at_the_low_of_the_bar_that_is_over_is_not_filled_by_that_bar():
    found = check("own_low", "fills", fills="ohlc_path").found("fills")
    assert found.light is GREEN


def test_an_hour_seen_before_it_is_over_is_caught():
    hours = TABLE.close[11::12].tolist()
    assert check("hour_early", "brought along", hours=hours).light is RED


def test_figures_of_the_whole_sample_are_recognised():
    mean, deviation = float(TABLE.close.mean()), float(TABLE.close.std())
    found = check("whole_sample", "brought along", mean=round(mean, 3), deviation=deviation).found("brought along")
    assert found.light is RED
    assert "parameter `mean`" in found.claim
    assert "the mean close of the whole tape" in found.claim
    half = float(TABLE.close[:300].mean())
    assert check("whole_sample", "brought along", mean=half, deviation=1.1).light is GREEN


def test_stop_and_profit_inside_one_bar_are_no_result():
    found = check("tight_stop", "stops inside bars").found("stops inside bars")
    assert found.light is RED
    assert found.figures["unclear_share"] > 0.5
    assert found.figures["pnl_best_first"] > found.figures["pnl_worst_first"]


def test_profit_without_costs_is_a_fantasy():
    rising = walk(bounce=-0.12)
    found = check("scalper", "costs", data=source(rising, free=True)).found("costs")
    assert found.light is RED
    assert found.figures["pnl_x0"] > 0 > found.figures["pnl_x1"]
    assert check("scalper", "costs", data=source(rising)).light is GREEN


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        ("module_state", "`SEEN`"),
        ("class_state", "`ClassState`.last"),
        ("self_state", ""),
        ("closure_state", "`follow`()"),
    ],
)
def test_state_outside_the_memory_does_not_survive_a_restart(kind, left):
    verdict = check(kind, "restart", "run again")
    assert verdict.found("restart").light is RED
    again = verdict.found("run again")
    assert left in again.claim
    assert again.light is GREEN if kind == "self_state" else again.light in {AMBER, RED}


@pytest.mark.parametrize(("kind", "door"), [("random_side", "random.random"), ("wall_clock", "time.time_ns")])
def test_a_coin_and_a_clock_are_named(kind, door):
    found = check(kind, "reach").found("reach")
    assert found.light is RED
    assert door in found.claim


def test_a_coin_is_not_the_same_twice():
    assert check("random_side", "run again").light is RED


def test_the_order_of_a_set_is_another_in_another_process():
    found = check("set_order", "other processes").found("other processes")
    assert found.light is RED
    assert "PYTHONHASHSEED" in found.claim


def test_a_warm_up_that_is_too_short_is_measured():
    found = check("short_warmup", "warm-up").found("warm-up")
    assert found.light is RED
    assert found.figures["needed_bars"] > 5


def test_a_strategy_that_needs_to_have_run_for_long_is_caught():
    found = check("long_history", "warm-up").found("warm-up")
    assert found.light is RED


@pytest.mark.parametrize(
    ("kind", "draws"), [("two_sided_kernel", "nadaraya_watson"), ("centred_mean", "centred"), ("zig_zag", "zig_zag")]
)
def test_a_line_that_repaints_is_caught_where_it_is_drawn_and_where_it_is_traded(kind, draws):
    drawn = load_file(CHEATS / f"{kind}.py").strategy.decide.__globals__[draws](CLOSES)
    found = check(kind, "repaint", line=drawn).found("repaint")
    assert found.light is RED
    assert f"parameter `line` is what {draws}() draws over the whole tape" in found.claim
    assert found.evidence[0].first != found.evidence[0].second
    assert check(kind, "repaint").light is AMBER


def test_a_strategy_that_knows_the_bench_by_its_punctuality_is_caught():
    verdict = check("knows_the_bench", "late bars", "live")
    assert lights(verdict) == {"late bars": RED, "live": GREEN}


NAMES = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "HHH")


@pytest.fixture(scope="module")
def universe() -> list[MarketData]:
    """Eight instruments; CCC and DDD ended after two thirds of the time."""
    tables = [walk(seed, 80 if name in {"CCC", "DDD"} else 120) for seed, name in enumerate(NAMES, 10)]
    return [source(table, f"{name}-USDT-PERP.PAPER") for name, table in zip(NAMES, tables, strict=True)]


def best(universe: list[MarketData], count: int) -> list[MarketData]:
    return sorted(universe, key=lambda each: -life(each).change)[:count]


def test_a_universe_picked_by_its_end_is_caught(universe):
    winners = best(universe, 3)
    request = StrategyRequest(kind=str(CHEATS / "survivors.py"))
    picked = replace(request, params={"chosen": [each.instrument.base for each in winners]})
    found = check_strategy(picked, universe, SETTINGS, only=["universe"]).found("universe")
    assert found.light is RED
    assert found.figures["chance_of_their_change"] < 0.05
    assert "rose more than almost any 3 others" in found.claim
    fair = replace(request, params={"chosen": ["CCC", "EEE", "FFF"]})
    assert check_strategy(fair, universe, SETTINGS, only=["universe"]).light is GREEN


def test_one_lucky_instrument_out_of_many_is_told(universe):
    (winner,) = best(universe, 1)
    request = StrategyRequest(kind=str(CHEATS / "honest.py"))
    found = check_strategy(request, [winner], SETTINGS, only=["universe"], everything=universe).found("universe")
    assert found.figures["chance_of_their_change"] == 1 / 8
    assert "other choices did as well" in found.claim


def hours_of(fine: BarTable, early_ns: int) -> BarTable:
    """Twelve bars each in one, which come so much too early."""
    at = np.arange(0, len(fine.close), 12)
    return BarTable(
        name="hours",
        interval_ns=12 * FIVE_MINUTES_NS,
        open_ts_ns=fine.open_ts_ns[::12] - early_ns,
        open=fine.open[::12],
        high=np.maximum.reduceat(fine.high, at),
        low=np.minimum.reduceat(fine.low, at),
        close=fine.close[11::12],
        volume=np.add.reduceat(fine.volume, at),
    )


def labels(hours: BarTable, fine: BarTable) -> Finding:
    request = StrategyRequest(kind=str(CHEATS / "honest.py"))
    verdict = check_strategy(request, [source(hours)], SETTINGS, only=["bar labels"], everything=[source(fine)])
    return verdict.found("bar labels")


def test_hours_that_come_before_they_are_over_are_told_by_the_five_minutes():
    fine = walk(3, 480)
    early = labels(hours_of(fine, 12 * FIVE_MINUTES_NS), fine)  # stamped at its open, read as if at its close
    assert early.light is RED
    assert "each is shown before it is over" in early.claim
    assert labels(hours_of(fine, 0), fine).light is GREEN


def test_finer_data_of_another_time_or_another_price_tell_nothing_about_bars():
    fine = walk(3, 480)
    later = replace(fine, open_ts_ns=fine.open_ts_ns + 480 * FIVE_MINUTES_NS)
    for other in (later, walk(4, 480)):
        found = labels(hours_of(fine, 0), other)
        assert found.light is GREY
        assert "nothing finer of the same instrument, of the same times and prices" in found.claim


def test_a_cheat_of_the_terms_that_a_plan_gives_one_venue_is_seen_too():
    request = StrategyRequest(kind=str(CHEATS / "at_the_close.py"))
    of_venue = replace(SETTINGS, paper_of={"PAPER": PaperConfig(fill_model=FillModel.SAME_CLOSE)})
    verdict = check_strategy(request, [DATA], of_venue, only=["fills", "latency"])
    assert lights(verdict) == {"fills": RED, "latency": GREY}
    fair = check("at_the_close", "fills").found("fills").figures
    assert verdict.found("fills").figures["pnl_next_open"] == fair["pnl_next_open"]


def test_a_line_on_a_tape_too_short_to_repaint_is_not_called_clean():
    found = check("centred_mean", "repaint", data=source(walk(1, 40))).found("repaint")
    assert found.light is GREY
    assert "insufficient data: n = 40 bars" in found.claim
    assert check_indicator(lambda closes: closes[::-1], []).light is GREY


@pytest.mark.parametrize(
    "table",
    [f"TABLE = {3**12_000:#x}", "TABLE = {" + ", ".join(str(7919 * at) for at in range(1, 31)) + "}"],
    ids=["bits of one number", "hashes of prices"],
)
def test_a_table_in_the_file_is_asked_where_it_comes_from(tmp_path, table):
    file = tmp_path / "honest.py"
    file.write_text((CHEATS / "honest.py").read_text() + f"\n{table}\n")
    verdict = check("honest", "brought along", "run again", file=file)
    assert lights(verdict) == {"brought along": AMBER, "run again": GREEN}
    assert "nothing shows where they come from" in verdict.found("brought along").claim
