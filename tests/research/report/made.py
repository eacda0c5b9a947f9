"""A result as `moondev backtest --json` writes one, made from a curve and round trips."""

from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from domain.instrument import ZERO
from engine.config import load_config
from engine.data.importers import Stamp
from research.backtest import BacktestSettings, StrategyRequest, run_backtest
from research.market_data import FileOptions, open_file
from research.result import Result
from risk.statistics import DAY_NS, Trade, drawdown, sharpe

FIRST_NS = 1_700_000_000_000_000_000
HOSTILE = "<script>alert(1)</script>\"'>&{{ 7*7 }}\u202e\x00"


@cache
def ran() -> Result:
    """A real run of the turtle over a few hours of a made-up file."""
    import csv
    import tempfile

    core = load_config(None).to_settings()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "BTC_USDC-1m.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["ts_ns", "open", "high", "low", "close", "volume"])
            price = 50_000
            for n in range(300):
                close = price + (40 if n // 20 % 2 else -40) + n % 7
                row = [price, max(price, close) + 5, min(price, close) - 5, close, 1.5]
                writer.writerow([FIRST_NS // 60_000_000_000 * 60_000_000_000 + n * 60_000_000_000, *row])
                price = close
        params = {"style": "take", "entry_bars": 5, "exit_bars": 3, "atr_bars": 5, "take_profit_pct": 0.0}
        data = open_file(path, FileOptions(fees=core.instruments[0], stamp=Stamp.OPEN))
        return run_backtest(StrategyRequest(kind="turtle", params=params), data, BacktestSettings(core=core)).result


def made(days: int = 400, trades: int = 200, seed: int = 0, drift: float = 0.001) -> Result:
    """A long run: the real one with another curve, prices and round trips."""
    rng, base = np.random.default_rng(seed), ran()
    instrument = next(iter(base.prices))
    times = [FIRST_NS + n * DAY_NS // 4 for n in range(days * 4 + 1)]
    equity = 100_000 * np.cumprod(1 + rng.normal(drift / 4, 0.01, len(times)))
    equity[0] = 100_000
    prices = 20_000 * np.cumprod(1 + rng.normal(0, 0.01, len(times)))
    step = (times[-1] - times[0]) // max(1, trades)
    trips = tuple(
        Trade(
            side=1 if n % 3 else -1,
            opened_ns=times[0] + n * step,
            closed_ns=times[0] + n * step + step // 2,
            qty=Decimal("0.1"),
            fills=2,
            fees=Decimal("1.5"),
            pnl=Decimal(repr(round(float(pnl), 4))),
            strategy="tested",
            instrument=instrument,
            entry_price=20_000.0,
            exit_price=20_100.0,
        )
        for n, pnl in enumerate(rng.normal(5, 100, trades))
    )
    money = [Decimal(repr(round(float(value), 2))) for value in equity]
    return replace(
        base,
        deposit=Decimal(100_000),
        equity=money[-1],
        first_ns=times[0],
        last_ns=times[-1],
        trades=trips,
        samples=tuple(zip(times, money, strict=True)),
        gross=tuple((ts, Decimal(10_000)) for ts in times),
        net=tuple((ts, Decimal(-5_000)) for ts in times),
        prices={instrument: tuple(zip(times, prices.tolist(), strict=True))},
        fees=Decimal(300),
        traded=Decimal(800_000),
    )


def booked(result: Result) -> Result:
    """The same with books that add up, as any real run's do: one account, one strategy, all of it realised."""
    fees = result.fees
    books = {"realised": result.equity - result.deposit + fees, "unrealised": ZERO, "fees": fees, "funding": ZERO}
    (account,), (strategy,) = result.accounts, result.strategies
    return replace(
        result,
        **books,
        accounts=(replace(account, deposit=result.deposit, equity=result.equity, **books),),
        strategies=(
            replace(
                strategy,
                pnl=result.pnl,
                traded=result.traded,
                trades=len(result.trades),
                fills=2 * len(result.trades) + 1,
                samples=tuple((at, equity - result.deposit) for at, equity in result.samples),
                **books,
            ),
        ),
        open_positions=tuple(replace(held, unrealised=ZERO) for held in result.open_positions),
        trades=tuple(replace(trade, entry_price=0.0, exit_price=0.0) for trade in result.trades),
        fills=2 * len(result.trades) + 1,
        max_drawdown=drawdown(result.samples),
        sharpe=sharpe(result.samples),
    )
