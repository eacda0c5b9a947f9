"""Results of before, read from their files."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from domain.errors import DataError
from research.report.identities import amiss
from research.result import Result
from research.saved import read_record

MOST = Decimal(10) ** 18
"""Money above which an amount is no account's, and figures made of it are no numbers."""


def load(path: Path) -> Result:
    """The result that `moondev backtest --json` wrote.

    Raises `ConfigError` for a file that is none, `DataError` for one that was cut, changed or made by hand.
    """
    record = read_record(path)
    result = record.result
    problem = next(problems(result), "")
    if problem or record.change:
        raise DataError(f"{path.name}: {'; '.join(filter(None, (problem, record.change)))}")
    return result


def problems(result: Result) -> Iterator[str]:
    """What is wrong with a result that somebody has written by hand, or that was cut short."""
    if not result.samples:
        yield "it has no samples of equity"
        return
    for name, pairs in (("samples", result.samples), ("gross", result.gross), ("net", result.net)):
        yield from _disorder(name, [at for at, _ in pairs])
        if not all(value.is_finite() for _, value in pairs):
            yield f"{name}: not every value is a number"
        elif not all(-MOST < value < MOST for _, value in pairs):
            yield f"{name}: not every value is money that an account can hold"
    for instrument, prices in result.prices.items():
        yield from _disorder(f"prices of {instrument}", [at for at, _ in prices])
        if any(not 0 < price < MOST for _, price in prices):
            yield f"prices of {instrument}: not every one is a price"
    amounts = list(amounts_of(replace(result, samples=(), gross=(), net=(), prices={}), but="settings"))
    if not all(map(Decimal.is_finite, amounts)):
        yield "not every amount is a number"
    elif not all(-MOST < value < MOST for value in amounts):
        yield "not every amount is money that an account can hold"
    elif result.samples[-1][1] != result.equity:
        yield f"its equity {result.equity} is not that of its last sample, {result.samples[-1][1]}"
    else:
        yield from amiss(result)


def amounts_of(value: object, but: str = "") -> Iterator[Decimal]:
    """Every amount in a result, however deep; the field `but` is left out."""
    if isinstance(value, Decimal):
        yield value
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            if name != but:
                yield from amounts_of(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from amounts_of(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from amounts_of(item)


def _disorder(name: str, times: list[int]) -> Iterator[str]:
    if any(after < before for before, after in pairwise(times)):
        yield f"{name} do not run forwards in time"
    if times and not 0 <= times[0] <= times[-1] < 2**63 - 2**52:
        yield f"{name} lie outside of any calendar"
