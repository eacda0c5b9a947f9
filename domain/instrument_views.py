"""Read models of what can be traded: contracts, and what they are worth."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from domain.instrument import Instrument


class InstrumentView(Struct, frozen=True, kw_only=True):
    """One contract: its steps, the least and most that its venue takes (`max_qty` 0 = any); fees are fractions."""

    id: str
    venue: str
    venue_symbol: str
    base: str
    aliases: tuple[str, ...]
    price_decimals: int
    qty_decimals: int
    price_step: Decimal
    qty_step: Decimal
    min_qty: Decimal
    max_qty: Decimal
    min_notional: Decimal
    multiplier: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    funding_interval_ns: int


class PriceView(Struct, frozen=True, kw_only=True):
    """The price that an instrument is valued at now."""

    instrument: str
    price: Decimal


def instrument_view(one: Instrument) -> InstrumentView:
    """A contract in decimals."""

    def price(steps: int) -> Decimal:
        return Decimal(steps).scaleb(-one.price_decimals)

    def qty(steps: int) -> Decimal:
        return Decimal(steps).scaleb(-one.qty_decimals)

    return InstrumentView(
        id=one.id,
        venue=one.venue,
        venue_symbol=one.venue_symbol,
        base=one.base,
        aliases=one.aliases,
        price_decimals=one.price_decimals,
        qty_decimals=one.qty_decimals,
        price_step=price(one.tick),
        qty_step=qty(one.lot),
        min_qty=qty(one.min_qty),
        max_qty=qty(one.max_qty),
        min_notional=one.min_notional,
        multiplier=one.multiplier,
        maker_fee=one.maker_fee,
        taker_fee=one.taker_fee,
        initial_margin=one.initial_margin,
        maintenance_margin=one.maintenance_margin,
        funding_interval_ns=one.funding_interval_ns,
    )
