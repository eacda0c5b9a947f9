"""A backtest runs, says what it did, repeats itself to the last digit, and refuses what does not fit."""

import csv
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from domain.errors import DataError, StrategyError
from domain.market import Bar
from domain.verdict import Reason
from engine.config import load_config
from engine.data.importers import Stamp
from exchanges.paper.config import FillModel, PaperConfig
from research.backtest import BacktestSettings, StrategyRequest, run_backtest
from research.market_data import DataKind, FileOptions, open_file, simulated
from research.result import Approver, Outcome
from research.summary import as_json, as_text
from tests.needs import ROOT

CORE = load_config(None).to_settings()
SETTINGS = BacktestSettings(core=CORE)
START_NS = 1_760_000_000_000_000_000
MINUTE_NS = 60_000_000_000
TURTLE = StrategyRequest(
    kind="turtle",
    params={"style": "take", "entry_bars": 5, "exit_bars": 3, "atr_bars": 5, "take_profit_pct": 0.0},
)
MAKER = StrategyRequest(
    kind="market_maker",
    params={"qty": 0.01, "max_position": 0.05, "maker_fee_bps": 0.0, "min_edge_bps": 0.0, "settle_s": 2},
)


def bar_file(folder: Path, bars: int = 300, step: int = 60) -> Path:
    """A saw tooth that breaks out of every range, in a CSV."""
    path = folder / "BTC_USDC-1m.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ts_ns", "open", "high", "low", "close", "volume"])
        price = 50_000
        for n in range(bars):
            move = 40 if n // 20 % 2 else -40
            close = price + move + n % 7
            high, low = max(price, close) + 5, min(price, close) - 5
            writer.writerow([START_NS // MINUTE_NS * MINUTE_NS + n * step * 10**9, price, high, low, close, 1.5])
            price = close
    return path


def backtested(path: Path, request=TURTLE, settings=SETTINGS, **options) -> Outcome:
    options.setdefault("fees", CORE.instruments[0])
    return run_backtest(request, open_file(path, FileOptions(**options)), settings)


def test_a_run_trades_pays_and_adds_up(tmp_path):
    result = backtested(bar_file(tmp_path)).result
    assert len(result.trades) > 5
    assert result.warmup_bars == 50
    assert result.events == 250
    assert result.fees > 0
    assert result.equity == result.deposit + result.realised - result.fees + result.funding + result.unrealised
    assert sum(trade.pnl for trade in result.trades) == pytest.approx(result.pnl, abs=Decimal(60))
    assert 0 < result.exposure < 1
    assert result.samples[0] == (result.first_ns, result.deposit)
    assert result.samples[-1] == (result.last_ns, result.equity)


def test_the_same_run_gives_the_same_hash_and_another_input_another(tmp_path):
    path = bar_file(tmp_path)
    first = backtested(path).result
    assert backtested(path).result == first
    other = replace(TURTLE, params=TURTLE.params | {"entry_bars": 6})
    assert backtested(path, other).result.state_hash != first.state_hash


@pytest.mark.process
def test_the_hash_does_not_depend_on_pythonhashseed(tmp_path):
    path, hashes = bar_file(tmp_path), set()
    for seed in ("0", "1", "77"):
        command = [
            sys.executable,
            "main.py",
            "backtest",
            "--no-keep",
            "--strategy",
            "turtle",
            "--data",
            str(path),
            "--params",
        ]
        command += ["style=take,entry_bars=5,exit_bars=3,atr_bars=5", "--json", str(tmp_path / f"{seed}.json")]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
        told = json.loads((tmp_path / f"{seed}.json").read_text())
        hashes.add((told["state_hash"], told["effects_hash"], told["equity"]))
    assert len(hashes) == 1


def test_the_summary_says_what_was_tested_and_how(tmp_path):
    text = as_text(backtested(bar_file(tmp_path)))
    for expected in (
        "turtle on BTC-USDC-PERP.PAPER",
        "next_open",
        "maker 0.015 %, taker 0.045 %",
        "auto: approvals are off",
        "after fees and funding",
        "insufficient data: n = 0 daily returns",
        "State hash",
        "never promised",
    ):
        assert expected in text, expected
    assert "!!!" not in text


def test_same_close_is_marked_loudly(tmp_path):
    settings = replace(SETTINGS, paper=PaperConfig(fill_model=FillModel.SAME_CLOSE))
    text = as_text(backtested(bar_file(tmp_path), settings=settings))
    assert "!!! BENCHMARKS ONLY" in text
    assert "entry 0 ms" in text


def test_no_fees_are_marked_loudly(tmp_path):
    assert "!!! NO FEES" in as_text(backtested(bar_file(tmp_path), fees=None))


def test_the_json_carries_trades_equity_settings_and_hashes(tmp_path):
    outcome = backtested(bar_file(tmp_path))
    told = json.loads(as_json(outcome))
    assert told["state_hash"] == outcome.result.state_hash
    assert told["data_sha256"] == outcome.result.data_sha256
    assert len(told["trades"]) == len(outcome.result.trades)
    assert len(told["samples"]) == len(outcome.result.samples)
    assert Decimal(told["pnl"]) == outcome.result.pnl
    assert told["params"]["entry_bars"] == 5
    assert told["timing"]["wall_s"] > 0


def test_a_taker_fills_at_the_next_open_or_at_the_same_close_when_asked(tmp_path):
    request = StrategyRequest(kind="ema_cross", params={"fast": 2, "slow": 4, "qty": 0.05})
    path = bar_file(tmp_path)
    bars = [bar for bar in open_file(path, FileOptions()).tape(0, 0) if isinstance(bar, Bar)]
    outcomes = {}
    for model in (FillModel.NEXT_OPEN, FillModel.SAME_CLOSE):
        result = backtested(path, request, replace(SETTINGS, paper=PaperConfig(fill_model=model))).result
        assert result.fill_model is model
        assert len(result.trades) > 10
        outcomes[model] = result
    decided = next(n for n, bar in enumerate(bars) if bar.ts_ns == outcomes[FillModel.SAME_CLOSE].trades[0].closed_ns)
    later = outcomes[FillModel.NEXT_OPEN].trades[0].closed_ns
    assert bars[decided].ts_ns < bars[decided + 1].ts_ns <= later < bars[decided + 2].ts_ns


def test_a_never_approver_lets_large_orders_wait(tmp_path):
    request = StrategyRequest(kind="ema_cross", params={"fast": 2, "slow": 4, "qty": 0.15})
    free = backtested(bar_file(tmp_path), request).result
    asked = backtested(bar_file(tmp_path), request, replace(SETTINGS, approver=Approver.NEVER)).result
    assert free.fills > asked.fills == 0
    assert asked.refusals[Reason.NEEDS_APPROVAL.value] > 0
    assert "never" in as_text(Outcome(result=asked, wall_s=1.0))


def test_refusals_are_counted_and_told(tmp_path):
    request = StrategyRequest(kind="ema_cross", params={"fast": 2, "slow": 4, "qty": 50})
    outcome = backtested(bar_file(tmp_path), request)
    assert outcome.result.refusals
    assert "Refused" in as_text(outcome)


def test_progress_is_reported_and_does_not_change_the_outcome():
    data = simulated(CORE.instruments[0], 7, START_NS, 600 * 10**9)
    seen: list[tuple[int, int]] = []
    with_progress = run_backtest(MAKER, data, SETTINGS, lambda count, ts_ns: seen.append((count, ts_ns)))
    assert seen[-1][0] == with_progress.result.events
    assert run_backtest(MAKER, data, SETTINGS).result == with_progress.result
    assert with_progress.result.data_kind is DataKind.SIMULATED
    assert "no evidence of anything" in as_text(with_progress)


def test_coarser_bars_are_made_when_the_strategy_asks_for_them(tmp_path):
    request = replace(TURTLE, params=TURTLE.params | {"interval_s": 300})
    result = backtested(bar_file(tmp_path), request).result
    assert result.params["interval_s"] == 300
    assert result.events + result.warmup_bars in {59, 60}


def test_what_does_not_fit_is_refused_with_a_sentence(tmp_path):
    path = bar_file(tmp_path)
    with pytest.raises(StrategyError, match=r"market_maker reads bbo, but BTC_USDC-1m\.csv has only bar"):
        backtested(path, MAKER)
    with pytest.raises(StrategyError, match="did you mean 'turtle'"):
        backtested(path, StrategyRequest(kind="turtel"))
    with pytest.raises(StrategyError, match="entry_bars"):
        backtested(path, StrategyRequest(kind="turtle", params={"entry_bars": -1}))
    with pytest.raises(DataError, match="no market data is left after 20 bars"):
        backtested(bar_file(tmp_path, bars=20))
    with pytest.raises(DataError, match="it is a folder, name a file in it"):
        open_file(tmp_path, FileOptions())
    with pytest.raises(DataError, match="no such file"):
        open_file(tmp_path / "nothing.csv", FileOptions())
    strange = tmp_path / "x.csv"
    strange.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="neither bars"):
        open_file(strange, FileOptions())


def test_a_configured_instrument_is_found_by_alias_and_judges_the_file(tmp_path):
    data = open_file(bar_file(tmp_path), FileOptions(instrument="btc", instruments=CORE.instruments))
    assert data.instrument is CORE.instruments[0]
    assert data.notes[0].startswith("times in ns")


def test_close_stamps_shift_the_bars_by_one_interval(tmp_path):
    path = bar_file(tmp_path)
    opened = next(open_file(path, FileOptions()).tape(0, 0))
    closed = next(open_file(path, FileOptions(stamp=Stamp.CLOSE)).tape(0, 0))
    assert opened.ts_ns - closed.ts_ns == MINUTE_NS


def test_funding_is_paid_on_bars(tmp_path):
    rates = tmp_path / "funding.csv"
    start = START_NS // MINUTE_NS * MINUTE_NS
    rows = "".join(f"{start + n * 60 * MINUTE_NS},0.001\n" for n in range(5))
    rates.write_text("ts_ns,funding_rate\n" + rows)
    request = StrategyRequest(kind="ema_cross", params={"fast": 2, "slow": 4, "qty": 0.1})
    result = backtested(bar_file(tmp_path), request, funding=rates).result
    assert result.funding != 0
    assert result.equity == result.deposit + result.realised - result.fees + result.funding + result.unrealised
