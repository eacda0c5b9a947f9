"""The runs that a strategy is checked by are backtests."""

from msgspec.structs import replace

from engine.config import load_config
from research.backtest import BacktestSettings, run_plan
from research.honesty.case import Case
from research.market_data import FileOptions, open_file
from research.plan import Plan, Tested
from tests.research.optimise.room import write_bars


def test_the_plain_run_is_the_backtest_with_its_slippage(tmp_path):
    source = open_file(write_bars(tmp_path / "BTC_USDT-5m.parquet", 300), FileOptions())
    plan = Plan(strategies=(Tested(id="a", kind="ema_cross", params={"fast": 3, "slow": 9}),))
    case = Case(plan, (source,), BacktestSettings(core=load_config(None).to_settings()))
    plain, alone = case.plain(), run_plan(plan, (source,), case.settings).result
    assert plain.result == replace(alone, provenance=plain.result.provenance)
    assert alone.slippage is not None
    assert len(plain.fills) == alone.fills > 0
