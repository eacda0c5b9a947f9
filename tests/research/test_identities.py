"""On any tape parts are the whole, equity = deposit + realised + unrealised - fees + funding, and cash the venue's.

Random walks of bars with funding at one or two venues, several strategies with random parameters, on terms so wide that
some accounts are liquidated.
"""

from __future__ import annotations

import random
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.settings import AllocationSettings, Limits
from engine.config import load_config
from engine.data.tables import BarTable, FundingTable
from exchanges.paper.config import FillModel, PaperConfig
from research.backtest import BacktestSettings, run_prepared
from research.driver import Driver
from research.market_data import MarketData, bar_data
from research.plan import Plan, Tested
from research.prepare import prepare_plan
from research.report.load import problems
from research.result import Result

CORE = load_config(None).to_settings()
SECOND_NS = 1_000_000_000
MINUTE_NS = 60_000_000_000
START_NS = 1_760_000_040_000_000_000
BARS = 240
WIDE = Limits(
    max_position_notional=Decimal(10_000_000), max_order_notional=Decimal(10_000_000), price_collar=Decimal("0.5")
)
RULES = {
    "asset_fraction": Decimal(100),
    "portfolio_exposure": Decimal(100_000_000),
    "leverage": Decimal(100),
    "liquidation_distance": Decimal(0),
    "portfolio_drawdown": Decimal(1),
    "strategy_drawdown": Decimal(1),
    "daily_loss": Decimal(1),
    "consecutive_losses": Decimal(1_000),
}


def walk(rng: random.Random, instrument: str) -> MarketData:
    """Minute bars of a wild walk, with a funding rate every ten minutes."""
    draws = np.random.default_rng(rng.randrange(2**32))
    steps = draws.integers(-60, 61, BARS) + draws.choice([0, -700, 700], BARS, p=[0.96, 0.02, 0.02])
    close = np.maximum(5_000 + np.cumsum(steps), 1_000)
    opened = np.concatenate(([5_000], close[:-1]))
    wick = draws.integers(0, 20, (BARS, 2))
    table = BarTable(
        name=instrument,
        interval_ns=MINUTE_NS,
        open_ts_ns=START_NS + np.arange(BARS) * MINUTE_NS,
        open=opened / 10,
        high=(np.maximum(opened, close) + wick[:, 0]) / 10,
        low=(np.minimum(opened, close) - wick[:, 1]) / 10,
        close=close / 10,
        volume=np.ones(BARS),
    )
    times = START_NS // (10 * MINUTE_NS) * 10 * MINUTE_NS + np.arange(1, BARS // 10) * 10 * MINUTE_NS
    rates = FundingTable(name="rates", ts_ns=times, rate=draws.integers(-30, 31, len(times)) / 10_000)
    model = CORE.instruments[0]
    contract = replace(
        model, id=instrument, tick=1, max_significant=0, price_decimals=1, qty_decimals=3, min_notional=Decimal(0)
    )
    return bar_data(table, contract, rates, instrument, ())


def strategies(rng: random.Random, names: list[str]) -> tuple[Tested, ...]:
    made = []
    for number in range(rng.randint(2, 4)):
        name = rng.choice(names)
        if rng.random() < 0.5:
            params: dict[str, object] = {"fast": rng.randint(1, 4), "slow": rng.randint(5, 9)}
            params |= {"qty": rng.choice([0.5, 20.0, 900.0]), "style": rng.choice(["take", "passive"])}
            params["interval_s"] = rng.choice([60, 120])
            kind = "ema_cross"
        else:
            kind = "turtle"
            params = {"entry_bars": rng.randint(2, 6), "exit_bars": rng.choice([0, 2]), "atr_bars": 3}
            params |= {"take_profit_pct": rng.choice([0.0, 1.0]), "style": rng.choice(["take", "passive"])}
        made.append(
            Tested(id=f"s{number}", kind=kind, params=params, instruments=(name,), own_account=rng.random() < 0.2)
        )
    return tuple(made)


def world(rng: random.Random) -> BacktestSettings:
    risk = replace(
        CORE.risk,
        default_limits=WIDE,
        max_exposure=Decimal(100_000_000),
        messages_per_window=10_000,
        portfolio=RULES,
    )
    core = replace(CORE, risk=risk, allocation=AllocationSettings(enabled=rng.random() < 0.5, every_ns=MINUTE_NS))
    paper = PaperConfig(
        fill_model=rng.choice([FillModel.NEXT_OPEN, FillModel.OHLC_PATH]), jitter_ns=rng.choice([0, 5_000_000])
    )
    return BacktestSettings(core=core, paper=paper, deposit=Decimal(rng.choice([20_000, 20_000, 1_000_000])))


def run(seed: int) -> tuple[Result, Driver]:
    rng = random.Random(seed)
    names = ["AAA-USDC-PERP.PAPER", "BBB-USDT-PERP.PAPER", "AAA-USDT-PERP.BINANCE"][: rng.randint(1, 3)]
    sources = [walk(rng, name) for name in names]
    plan = Plan(strategies=strategies(rng, names))
    prepared = prepare_plan(plan, sources, world(rng))
    drivers: list[Driver] = []
    outcome = run_prepared(prepared, on_driver=drivers.append)
    return outcome.result, drivers[0]


@settings(max_examples=14, deadline=None)
@given(st.integers(0, 10_000))
def test_the_books_add_up(seed):
    result, driver = run(seed)
    for account in result.accounts:
        parts = account.deposit + account.realised + account.unrealised - account.fees + account.funding
        assert account.equity == parts
    for name in ("equity", "realised", "unrealised", "fees", "funding", "deposit"):
        assert sum(getattr(account, name) for account in result.accounts) == getattr(result, name)
    for name in ("realised", "unrealised", "fees", "funding", "fills", "traded"):
        assert sum(getattr(each, name) for each in result.strategies) == getattr(result, name)
    assert sum(each.pnl for each in result.strategies) == result.pnl
    for at, (ts_ns, equity) in enumerate(result.samples):
        assert [each.samples[at][0] for each in result.strategies] == [ts_ns] * len(result.strategies)
        assert equity == result.deposit + sum(each.samples[at][1] for each in result.strategies)
        assert result.gross[at][1] >= abs(result.net[at][1])
    for each in result.strategies:
        closed = [trade for trade in result.trades if trade.strategy == each.id]
        is_flat = all(held.strategy != each.id for held in result.open_positions)
        if is_flat:
            assert sum(trade.pnl for trade in closed) == each.realised - each.fees
            assert sum(trade.funding for trade in closed) == each.funding
    assert list(problems(result)) == []
    driver.advance(driver.core.state.ts_ns + SECOND_NS)  # what the venue has done, and the engine has not heard
    driver.exchange.check()
    for name, books in driver.core.state.accounts.items():
        assert driver.exchange.cash(name) == books.cash


def test_the_random_worlds_are_what_they_are_said_to_be():
    results = [run(seed)[0] for seed in range(8)]
    assert sum(result.fills for result in results) > 200
    assert sum(bool(result.funding) for result in results) >= 5
    assert any("liquidated" in alert for result in results for alert in result.alerts)
    assert any(len({account.id.partition(":")[0] for account in result.accounts}) == 2 for result in results)
    assert any(len(result.accounts) >= 3 for result in results)
