"""Phemex's contracts: perpProductsV2 of GET /public/products, with the account's own commission."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct, field
from msgspec.structs import replace

from domain.errors import Unrepresentable
from domain.instrument import ZERO, Instrument
from exchanges.phemex.config import NAME, QUOTE, S
from exchanges.phemex.wire import FeeRates

MAKER_FEE, TAKER_FEE = Decimal("0.0001"), Decimal("0.0006")
"""Of a newcomer, where no account can be asked: the venue tells its commission only to those who have one."""
FEE_SCALE = Decimal("1E-8")
USUAL = {"initial": Decimal("0.01"), "maintenance": Decimal("0.005")}


class Product(Struct):
    """One contract."""

    symbol: str
    status: str
    base: str = field(name="baseCurrency", default="")
    underlying: str = field(name="contractUnderlyingAssets", default="")
    quote: str = field(name="quoteCurrency", default="")
    settle: str = field(name="settleCurrency", default="")
    tick: str = field(name="tickSize", default="0")
    step: str = field(name="qtyStepSize", default="0")
    price_decimals: int = field(name="pricePrecision", default=0)
    qty_decimals: int = field(name="qtyPrecision", default=0)
    max_qty: str = field(name="maxOrderQtyRq", default="0")
    min_value: str = field(name="minOrderValueRv", default="0")
    funding_s: int = field(name="fundingInterval", default=28_800)


class RiskTier(Struct):
    """Margins up to a size of position."""

    initial: Decimal = field(name="initialMarginRr")
    maintenance: Decimal = field(name="maintenanceMarginRr")


class RiskLimit(Struct):
    """Of one symbol, smallest first."""

    symbol: str
    tiers: list[RiskTier] = field(name="riskLimits", default_factory=list)


class Products(Struct):
    """What is listed."""

    perpetuals: list[Product] = field(name="perpProductsV2")
    risks: list[RiskLimit] = field(name="riskLimitsV2", default_factory=list)


def listed(products: Products) -> Iterator[Instrument]:
    """Every USDT perpetual that is traded now; one that our scales cannot carry is left out."""
    tiers = {risk.symbol: risk.tiers[0] for risk in products.risks if risk.tiers}
    for product in products.perpetuals:
        if product.status == "Listed" and product.quote == product.settle == QUOTE:
            try:
                yield instrument_of(product, tiers.get(product.symbol))
            except (Unrepresentable, ArithmeticError):
                continue


def instrument_of(product: Product, tier: RiskTier | None) -> Instrument:
    """The contract's rules. Raises `Unrepresentable`, `ArithmeticError`."""
    tick, step = Decimal(product.tick), Decimal(product.step)
    price_decimals = max(product.price_decimals, _decimals(tick))
    qty_decimals = max(product.qty_decimals, _decimals(step))
    base = (product.base or product.underlying).replace(" ", "")
    return Instrument(
        id=f"{base}-{product.quote}-PERP.{NAME}",
        venue_symbol=product.symbol,
        price_decimals=price_decimals,
        qty_decimals=qty_decimals,
        tick=int(tick.scaleb(price_decimals)),
        lot=int(step.scaleb(qty_decimals)),
        min_qty=int(step.scaleb(qty_decimals)),
        max_qty=int(Decimal(product.max_qty).scaleb(qty_decimals)),
        min_notional=Decimal(product.min_value),
        maker_fee=MAKER_FEE,
        taker_fee=TAKER_FEE,
        initial_margin=tier.initial if tier is not None else USUAL["initial"],
        maintenance_margin=tier.maintenance if tier is not None else USUAL["maintenance"],
        funding_interval_ns=product.funding_s * S,
        aliases=(base,),
    )


def with_fees(instrument: Instrument, rates: FeeRates) -> Instrument:
    """The contract with the account's commission, where the venue tells it."""
    found = next((rate for rate in rates.rates if rate.symbol == instrument.venue_symbol), None)
    if found is None:
        return instrument
    return replace(instrument, maker_fee=found.maker * FEE_SCALE, taker_fee=found.taker * FEE_SCALE)


def _decimals(step: Decimal) -> int:
    if step <= ZERO:
        raise Unrepresentable(f"a step of {step}")
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
