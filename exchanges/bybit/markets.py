"""Bybit's contracts: instruments-info, with the account's own fees and the margins of the lowest risk tier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from msgspec import Struct

from domain.errors import Unrepresentable
from domain.instrument import Instrument
from exchanges.bybit.config import NAME

MAKER_FEE, TAKER_FEE = Decimal("0.0002"), Decimal("0.00055")
"""Of a newcomer, where no account can be asked: instruments-info does not tell."""
MINUTE_NS = 60_000_000_000
QUOTES = frozenset({"USDT", "USDC"})


class PriceFilter(Struct, rename="camel"):
    """Steps of the price."""

    tick_size: str


class LotFilter(Struct, rename="camel"):
    """Steps and ends of the quantity."""

    qty_step: str
    min_order_qty: str
    max_order_qty: str
    min_notional_value: str = "0"


class LeverageFilter(Struct, rename="camel"):
    """Ends of the leverage."""

    max_leverage: str


class Contract(Struct, rename="camel"):
    """One contract of instruments-info."""

    symbol: str
    contract_type: str
    status: str
    base_coin: str
    quote_coin: str
    settle_coin: str
    price_filter: PriceFilter
    lot_size_filter: LotFilter
    leverage_filter: LeverageFilter
    funding_interval: int = 480


class FeeRate(Struct, rename="camel"):
    """The account's own rates."""

    symbol: str
    maker_fee_rate: Decimal
    taker_fee_rate: Decimal


class RiskTier(Struct, rename="camel"):
    """Margins up to a size of position."""

    symbol: str
    initial_margin: Decimal
    maintenance_margin: Decimal
    max_leverage: Decimal
    is_lowest_risk: int = 0

    @property
    def maintenance(self) -> Decimal:
        """As a fraction: the venue has told these margins as fractions and in percent."""
        return self.maintenance_margin / self.initial_margin / self.max_leverage


def listed(contracts: Iterable[Contract]) -> Iterator[Instrument]:
    """Every linear perpetual that is traded now; one that our scales cannot carry is left out."""
    for contract in contracts:
        is_linear = contract.contract_type == "LinearPerpetual" and contract.settle_coin == contract.quote_coin
        if is_linear and contract.quote_coin in QUOTES and contract.status == "Trading":
            try:
                yield instrument_of(contract)
            except (Unrepresentable, ArithmeticError):
                continue


def instrument_of(contract: Contract) -> Instrument:
    """The contract's rules. Raises `Unrepresentable`, `ArithmeticError`."""
    lot = contract.lot_size_filter
    tick, step = Decimal(contract.price_filter.tick_size), Decimal(lot.qty_step)
    price_decimals, qty_decimals = _decimals(tick), _decimals(step)
    base, quote = contract.base_coin, contract.quote_coin
    initial = Decimal(1) / Decimal(contract.leverage_filter.max_leverage)
    return Instrument(
        id=f"{base}-{quote}-PERP.{NAME}",
        venue_symbol=contract.symbol,
        price_decimals=price_decimals,
        qty_decimals=qty_decimals,
        tick=int(tick.scaleb(price_decimals)),
        lot=int(step.scaleb(qty_decimals)),
        min_qty=max(1, int(Decimal(lot.min_order_qty).scaleb(qty_decimals))),
        max_qty=int(Decimal(lot.max_order_qty).scaleb(qty_decimals)),
        min_notional=Decimal(lot.min_notional_value or 0),
        maker_fee=MAKER_FEE,
        taker_fee=TAKER_FEE,
        initial_margin=round(initial, 6),
        maintenance_margin=round(initial / 2, 6),
        funding_interval_ns=contract.funding_interval * MINUTE_NS,
        aliases=(base,) if quote == "USDT" else (),
    )


def _decimals(step: Decimal) -> int:
    if step <= 0:
        raise Unrepresentable(f"a step of {step}")
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
