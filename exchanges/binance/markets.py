"""Binance's contracts: exchangeInfo's filters, with the account's own commission and margins."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct, field

from domain.errors import Unrepresentable
from domain.instrument import ZERO, Instrument
from exchanges.binance.config import NAME

MAKER_FEE, TAKER_FEE = Decimal("0.0002"), Decimal("0.0005")
"""Of a newcomer, where no account can be asked: exchangeInfo does not tell."""
HOUR_NS = 3_600_000_000_000
USUAL_HOURS = 8
QUOTES = frozenset({"USDT", "USDC"})


class Filter(Struct, rename="camel"):
    """One of a symbol's filters; only some have each field."""

    filter_type: str
    tick_size: str = "0"
    step_size: str = "0"
    min_qty: str = "0"
    max_qty: str = "0"
    notional: str = "0"


class Symbol(Struct, rename="camel"):
    """One contract of exchangeInfo."""

    symbol: str
    contract_type: str
    status: str
    base_asset: str
    quote_asset: str
    margin_asset: str
    price_precision: int
    quantity_precision: int
    filters: list[Filter]
    required_margin_percent: str = "5"
    maint_margin_percent: str = "2.5"


class RateLimit(Struct, rename="camel"):
    """One of the venue's limits."""

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class ExchangeInfo(Struct, rename="camel"):
    """The contracts and the limits."""

    symbols: list[Symbol]
    rate_limits: list[RateLimit] = field(default_factory=list)


class FundingInfo(Struct, rename="camel"):
    """A symbol whose funding interval is not the usual one."""

    symbol: str
    funding_interval_hours: int = USUAL_HOURS


class Commission(Struct):
    """The account's own rates."""

    symbol: str
    maker: Decimal = field(name="makerCommissionRate")
    taker: Decimal = field(name="takerCommissionRate")


class Bracket(Struct, rename="camel"):
    """Margins up to a size of position."""

    initial_leverage: int
    maint_margin_ratio: Decimal


class Brackets(Struct):
    """Of one symbol, smallest first."""

    symbol: str
    brackets: list[Bracket]


def listed(info: ExchangeInfo) -> Iterator[Instrument]:
    """Every linear perpetual that is traded now; one that our scales cannot carry is left out."""
    for symbol in info.symbols:
        is_linear = symbol.contract_type == "PERPETUAL" and symbol.margin_asset == symbol.quote_asset
        if is_linear and symbol.quote_asset in QUOTES and symbol.status == "TRADING":
            try:
                yield instrument_of(symbol)
            except (Unrepresentable, ArithmeticError):
                continue


def instrument_of(symbol: Symbol) -> Instrument:
    """The contract's rules. Raises `Unrepresentable`, `ArithmeticError`."""
    filters = {each.filter_type: each for each in symbol.filters}
    nothing = Filter("")
    price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    tick, step = Decimal(price.tick_size), Decimal(lot.step_size)
    price_decimals = max(symbol.price_precision, _decimals(tick))
    qty_decimals = max(symbol.quantity_precision, _decimals(step))
    base, quote = symbol.base_asset, symbol.quote_asset
    return Instrument(
        id=f"{base}-{quote}-PERP.{NAME}",
        venue_symbol=symbol.symbol,
        price_decimals=price_decimals,
        qty_decimals=qty_decimals,
        tick=int(tick.scaleb(price_decimals)),
        lot=int(step.scaleb(qty_decimals)),
        min_qty=int(Decimal(lot.min_qty).scaleb(qty_decimals)),
        max_qty=int(Decimal(lot.max_qty).scaleb(qty_decimals)),
        min_notional=Decimal(filters.get("MIN_NOTIONAL", nothing).notional),
        maker_fee=MAKER_FEE,
        taker_fee=TAKER_FEE,
        initial_margin=Decimal(symbol.required_margin_percent) / 100,
        maintenance_margin=Decimal(symbol.maint_margin_percent) / 100,
        funding_interval_ns=USUAL_HOURS * HOUR_NS,
        aliases=(base,) if quote == "USDT" else (),
    )


def _decimals(step: Decimal) -> int:
    if step <= ZERO:
        raise Unrepresentable(f"a step of {step}")
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
