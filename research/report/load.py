"""Results of before, read from their files."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from domain.errors import DataError
from research.result import Result
from research.saved import read_result

MOST = Decimal(10) ** 18
"""Money above which an amount is no account's, and figures made of it are no numbers."""


def load(path: Path) -> Result:
    """The result that `moondev backtest --json` wrote.

    Raises `ConfigError` for a file that is none, `DataError` for one that was cut or made by hand.
    """
    result = read_result(path)
    problem = next(problems(result), "")
    if problem:
        raise DataError(f"{path.name}: {problem}")
    return result


def problems(result: Result) -> Iterator[str]:
    """What is wrong with a result that somebody has written by hand, or that was cut short."""
    if not result.samples:
        yield "it has no samples of equity"
    for name, pairs in (("samples", result.samples), ("gross", result.gross), ("net", result.net)):
        yield from _disorder(name, [at for at, _ in pairs])
        if not all(value.is_finite() for _, value in pairs):
            yield f"{name}: not every value is a number"
        elif not all(-MOST < value < MOST for _, value in pairs):
            yield f"{name}: not every value is money that an account can hold"
    for instrument, prices in result.prices.items():
        yield from _disorder(f"prices of {instrument}", [at for at, _ in prices])
    money = (result.deposit, result.equity, result.fees, result.funding, result.traded)
    if not all(Decimal.is_finite(value) for values in (money, trades_of(result)) for value in values):
        yield "not every amount is a number"
    elif not all(-MOST < value < MOST for values in (money, trades_of(result)) for value in values):
        yield "not every amount is money that an account can hold"
    elif result.samples and result.samples[-1][1] != result.equity:
        yield f"its equity {result.equity} is not that of its last sample, {result.samples[-1][1]}"


def trades_of(result: Result) -> Iterator[Decimal]:
    """Every amount of its round trips."""
    return (value for trade in result.trades for value in (trade.qty, trade.fees, trade.pnl, trade.funding))


def _disorder(name: str, times: list[int]) -> Iterator[str]:
    if any(after < before for before, after in pairwise(times)):
        yield f"{name} do not run forwards in time"
    if times and not 0 <= times[0] <= times[-1] < 2**63 - 2**52:
        yield f"{name} lie outside of any calendar"
