"""At which price a position alone would bring its account to the maintenance margin, everything else staying as it is.

Cross margin, one-way: equity + q (x - p) = other maintenance + m |q| x, with q the position, p its price now and m its
maintenance rate; solved for x. What a venue does is decided by the venue: its own figure differs by its tiers.
"""

from __future__ import annotations

from decimal import Decimal

from domain.account import Account, Position
from domain.instrument import ZERO
from engine.core.core import Core


def liquidation_price(core: Core, account: Account, held: Position) -> Decimal | None:
    """The price, None where no price does it or none is known."""
    instrument, mark = core.instruments[held.instrument], core.markets[held.instrument].reference()
    if not held.qty or not mark:
        return None
    others = sum((_maintenance(core, one) for one in account.positions.values() if one is not held), ZERO)
    price = Decimal(mark).scaleb(-instrument.price_decimals)
    qty = Decimal(held.qty).scaleb(-instrument.qty_decimals) * instrument.multiplier
    rate = instrument.maintenance_margin
    found = (others - core.equity(account.id) + qty * price) / (qty - rate * abs(qty))
    return found.quantize(Decimal(1).scaleb(-instrument.price_decimals)) if found > 0 else None


def _maintenance(core: Core, held: Position) -> Decimal:
    instrument = core.instruments[held.instrument]
    value = instrument.notional(core.markets[held.instrument].reference(), held.qty)
    return abs(value) * instrument.maintenance_margin
