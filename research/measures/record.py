"""What figures are made of, taken out of a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct, field

from domain.text import plain
from exchanges.paper.config import FillModel
from research.market_data import DataKind
from research.result import Result
from risk.statistics import Trade

Samples: TypeAlias = Sequence[tuple[int, Decimal | float]]


class Record(Struct, frozen=True, kw_only=True):
    """A run, or what may be stitched from several: only deposit, samples and trades are needed.

    Money is in `currency`. `funding` is what was received, `traded` the notional turned over, `prices` are of each
    instrument at the times of the samples, `gross` and `net` the worth of the positions then.
    """

    deposit: float
    samples: Samples
    trades: Sequence[Trade]
    currency: str = ""
    fees: float | None = None
    """None = the sum of the trades' fees."""
    funding: float = 0.0
    traded: float | None = None
    """None = made of the trades' sizes and prices."""
    slippage: float | None = None
    time_in_market: float | None = None
    """None = made of the trades."""
    gross: Samples = ()
    net: Samples = ()
    prices: Mapping[str, Samples] = field(default_factory=dict)
    traded_a_day: Mapping[str, float] = field(default_factory=dict)
    """What each instrument's market trades a day, where it is known."""
    taker_fees: Mapping[str, float] = field(default_factory=dict)
    carry: Mapping[str, float] = field(default_factory=dict)
    """Funding of one who held each instrument long all the time, as a fraction: negative where it was paid."""
    is_made_up: bool = False


def instruments_of(result: Result) -> tuple[str, ...]:
    """What was traded, in the order of the sources."""
    return tuple(dict.fromkeys([*(source.instrument for source in result.sources), *sorted(result.prices)]))


def fills_at_the_same_close(result: Result) -> bool:
    """Whether any bar was filled at the very close that was decided on, which no market does."""
    models = {result.fill_model, *(venue.fill_model for venue in result.venues.values())}
    return FillModel.SAME_CLOSE in models and any(source.kind is DataKind.BARS for source in result.sources)


def record_of(result: Result) -> Record:
    """What of a result the figures are made of."""
    return Record(
        deposit=float(result.deposit),
        samples=result.samples,
        trades=result.trades,
        currency=plain(result.currency, 12),
        fees=float(result.fees),
        funding=float(result.funding),
        traded=float(result.traded),
        time_in_market=result.exposure,
        gross=result.gross,
        net=result.net,
        prices={name: result.prices[name] for name in instruments_of(result) if name in result.prices},
        slippage=None if result.slippage is None else float(result.slippage),
        traded_a_day={s.instrument: s.traded_a_day for s in result.sources if s.traded_a_day is not None},
        taker_fees={source.instrument: float(source.taker_fee) for source in result.sources},
        carry={source.instrument: source.carry for source in result.sources},
        is_made_up=result.data_kind is DataKind.SIMULATED or fills_at_the_same_close(result),
    )
