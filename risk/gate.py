"""The gate: the last look at every intent, inside `step`, before it can become an effect.

Pure functions over integers. A refusal is a `Veto` with a coded reason; nothing is raised.
What lowers risk passes in every trading state and draws on the reserve of the message budget.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import force_setattr

from domain.instrument import Instrument
from domain.verdict import Reason, Veto

PPM = 1_000_000


class GateConfig(Struct, frozen=True, kw_only=True):
    """Limits of one instrument in the form the gate reads. The collar is in parts per million.

    `*_value` are the limits in money as a number of units, price times quantity in integer scale, so that an order is
    held against them without a `Decimal`; derived, do not pass them.
    """

    unit: Decimal
    """`Instrument.unit`."""
    min_notional: Decimal
    max_position_notional: Decimal
    max_order_notional: Decimal
    max_exposure: Decimal
    collar_ppm: int
    max_reference_age_ns: int
    messages_per_window: int
    reserve_messages: int
    window_ns: int
    min_value: int = 0
    max_position_value: int = 0
    max_order_value: int = 0

    def __post_init__(self) -> None:
        """Derive the values, exactly: a price times a quantity is a whole number of units."""
        unit = Fraction(self.unit)
        force_setattr(self, "min_value", -(-Fraction(self.min_notional) // unit))
        force_setattr(self, "max_position_value", Fraction(self.max_position_notional) // unit)
        force_setattr(self, "max_order_value", Fraction(self.max_order_notional) // unit)


class Exposure(Struct, gc=False):
    """Worst sides of one slot, in integer scale, with everything that may still fill (UNKNOWN included).

    `buys`/`sells` may pass zero; the `closing_` ones are reduce-only: they cannot, but a stop that fires first
    turns what was a reduction into a new position. `best_bid`/`best_ask` are our own best resting prices
    (0 = none), for self-match.
    """

    position: int = 0
    buys: int = 0
    sells: int = 0
    closing_buys: int = 0
    closing_sells: int = 0
    best_bid: int = 0
    best_ask: int = 0

    def worst(self, side: int) -> int:
        """The furthest that the position can get on a side, counted towards that side (a short of 5 is 5 for -1)."""
        if side > 0:
            held, closing, more = self.position, self.closing_buys, self.buys
        else:
            held, closing, more = -self.position, self.closing_sells, self.sells
        if held >= 0:
            return held + more
        held += closing
        return more if held > 0 else held + more


def adds_risk(side: int, qty: int, exposure: Exposure) -> bool:
    """True when `qty` more on `side` could leave a larger position on that side than zero or what is held."""
    held = exposure.position * side
    return exposure.worst(side) + qty > (held if held > 0 else 0)  # noqa: FURB136 - on the hot path


def check_size(config: GateConfig, instrument: Instrument, qty: int, price: int, *, reduce_only: bool) -> Veto | None:
    """Lot, minimum quantity and minimum notional (reductions may be worth less)."""
    if qty < instrument.min_qty or qty < 1 or qty % instrument.lot:
        return Veto(Reason.MIN_QTY, f"qty={instrument.qty_text(qty)}")
    if instrument.max_qty and qty > instrument.max_qty:
        return Veto(
            Reason.NOTIONAL_LIMIT, f"qty={instrument.qty_text(qty)} max={instrument.qty_text(instrument.max_qty)}"
        )
    if not reduce_only and price * qty < config.min_value:
        notional = instrument.notional(price, qty)
        return Veto(Reason.MIN_NOTIONAL, f"notional={notional} min={instrument.min_notional}")
    return None


def check_collar(config: GateConfig, price: int, side: int, reference: int, age_ns: int) -> Veto | None:
    """Refuse a price that is too far on the paying side of a fresh reference, or any price without one."""
    if reference <= 0 or age_ns > config.max_reference_age_ns:
        return Veto(Reason.PRICE_UNKNOWN, f"reference_age_s={age_ns // 1_000_000_000}")
    if (price - reference) * side * PPM > reference * config.collar_ppm:
        return Veto(Reason.PRICE_COLLAR, f"price={price} reference={reference} collar_ppm={config.collar_ppm}")
    return None


def into_collar(config: GateConfig, price: int, side: int, reference: int, step: int) -> int:
    """The price, or the worst of whole steps that the collar allows: what reduces is tried there, and never refused."""
    if reference <= 0:
        return price
    worst = reference + side * (reference * config.collar_ppm // PPM)
    return min(price, worst - worst % step) if side > 0 else max(price, -(-worst // step) * step)


def check_exposure(config: GateConfig, instrument: Instrument, qty: int, price: int, worst: int) -> Veto | None:
    """Order notional, and position notional at `worst`: what an order that adds risk may lead to on its side."""
    if price * qty > config.max_order_value:
        notional = price * qty * instrument.unit
        return Veto(Reason.NOTIONAL_LIMIT, f"notional={notional} max={config.max_order_notional}")
    if worst * price > config.max_position_value:
        return Veto(
            Reason.POSITION_LIMIT, f"worst={worst * price * instrument.unit} max={config.max_position_notional}"
        )
    return None


def check_envelope(side: int, qty: int, now: Exposure, most: int | None) -> Veto | None:
    """Quotes and takes lead to no larger position than the strategy's approved envelope (None = any)."""
    if most is not None and now.worst(side) + qty > most:
        return Veto(Reason.ENVELOPE, f"worst={now.worst(side) + qty} most={most}")
    return None


def check_self_match(side: int, price: int, now: Exposure) -> Veto | None:
    """Refuse an order that would cross our own resting order on the other side."""
    if side > 0 and now.best_ask and price >= now.best_ask:
        return Veto(Reason.SELF_MATCH, f"price={price} own_ask={now.best_ask}")
    if side < 0 and now.best_bid and price <= now.best_bid:
        return Veto(Reason.SELF_MATCH, f"price={price} own_bid={now.best_bid}")
    return None
