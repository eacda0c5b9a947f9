"""Every recorded candle file and tape runs through a backtest, twice the same; one that lies is refused."""

import os
import subprocess
import sys

import pytest

from domain.errors import DataError
from engine.config import load_config
from research.backtest import BacktestSettings, StrategyRequest, run_backtest
from research.market_data import FileOptions, MarketData, open_file
from research.result import Result
from tests.needs import ROOT, recorded_data

pytestmark = [pytest.mark.real_data, pytest.mark.timeout(240)]

CORE = load_config(None).to_settings()
SETTINGS = BacktestSettings(core=CORE)
CROSS = StrategyRequest(kind="ema_cross", params={"fast": 5, "slow": 15, "qty": 0.1})
MAKER = {"qty": 0.01, "max_position": 0.05, "maker_fee_bps": 0.0, "min_edge_bps": 0.0, "vol_factor": 0.2, "settle_s": 2}


def opened(*parts: str, **options) -> MarketData:
    return open_file(recorded_data(*parts), FileOptions(fees=CORE.instruments[0], tolerate_gaps=True, **options))


def twice(request: StrategyRequest, data: MarketData) -> Result:
    first = run_backtest(request, data, SETTINGS).result
    assert run_backtest(request, data, SETTINGS).result == first
    assert first.equity == first.deposit + first.realised - first.fees + first.funding + first.unrealised
    assert first.strategy_status == "running"
    return first


def test_every_candle_file_runs_and_repeats_itself():
    paths = [
        p for p in recorded_data("candles").glob("*.parquet") if "funding" not in p.name and "trades" not in p.name
    ]
    assert len(paths) == 17
    fills = 0
    for path in sorted(paths):
        result = twice(CROSS, opened("candles", path.name))
        fills += result.fills
        print(f"{path.name}: {result.events} bars, {result.fills} fills, pnl {result.pnl}")
    assert fills > 1_000


def test_recorded_trades_run_with_bars_made_of_them():
    request = StrategyRequest(kind="ema_cross", params=CROSS.params | {"interval_s": 300, "qty": 100})
    result = twice(request, opened("candles", "XRP_ETH-trades.parquet"))
    assert result.fills > 20


def test_perpetual_candles_pay_recorded_funding():
    rates = recorded_data("candles", "XRP_USDT_USDT-8h-funding_rate.parquet")
    data = opened("candles", "XRP_USDT_USDT-1h-futures.parquet", funding=rates)
    request = StrategyRequest(kind="ema_cross", params=CROSS.params | {"qty": 1000})
    assert twice(request, data).funding != 0


@pytest.mark.parametrize(
    ("name", "feed", "events"),
    [
        ("usdm_btcusdt_20240808.gz", "bbo", 93_950),
        ("spot_btcusdt_20240808.gz", "book", 41_247),
        ("hyperliquid_btcusd_20250126.gz", "book", 81),
    ],
)
def test_every_recorded_tape_runs_and_repeats_itself(name, feed, events):
    result = twice(StrategyRequest(kind="market_maker", params=MAKER | {"feed": feed}), opened("l2", name))
    assert result.events == events
    assert result.orders > 0


def test_the_inverse_contract_is_refused():
    with pytest.raises(DataError):
        run_backtest(
            StrategyRequest(kind="market_maker", params=MAKER), opened("l2", "cm_btcusd_perp_20240808.gz"), SETTINGS
        )


def test_the_lying_file_is_refused():
    with pytest.raises(DataError, match="rows run backwards"):
        opened("bad", "BTCUSD-6h-mislabelled-newest-first.csv")


@pytest.mark.process
def test_a_tape_gives_the_same_hash_under_every_pythonhashseed():
    tape = recorded_data("l2", "spot_btcusdt_20240808.gz")
    command = [
        sys.executable,
        "main.py",
        "backtest",
        "--no-keep",
        "--strategy",
        "market_maker",
        "--data",
        str(tape),
        "--params",
    ]
    command.append(",".join(f"{name}={value}" for name, value in MAKER.items()))
    hashes = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        out = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
        hashes.add(next(line for line in out.splitlines() if line.startswith("State hash")))
    assert len(hashes) == 1
