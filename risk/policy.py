"""Policy on what strategies want: clip, park, veto. Pure functions over integers and Decimal (sizes: `risk.sizing`).

The three kinds of answer are in `domain.verdict`; the gate (`risk.gate`) looks again at every intent.
"""

from __future__ import annotations

from decimal import Decimal

from domain.instrument import Instrument
from domain.verdict import Reason


def clip_to_limit(
    wanted: int, *, price: int, instrument: Instrument, max_notional: Decimal
) -> tuple[int, Reason | None]:
    """Clip a target to the position limit; the reason is None when nothing was clipped."""
    if price <= 0:
        return wanted, None
    most = int(max_notional / (price * instrument.unit))
    most -= most % instrument.lot
    if abs(wanted) <= most:
        return wanted, None
    return (most if wanted > 0 else -most), Reason.POSITION_LIMIT


def added_exposure(wanted: int, in_force: int) -> int:
    """Quantity of exposure that moving from one target to another adds (0 when it only reduces)."""
    if wanted == 0:
        return 0
    if in_force == 0 or (wanted > 0) != (in_force > 0):
        return abs(wanted)
    return max(0, abs(wanted) - abs(in_force))


def needs_approval(
    added_qty: int, *, recent_qty: int, price: int, instrument: Instrument, large_notional: Decimal
) -> Decimal | None:
    """Notional added, with what was added recently for the same idea, when it is large, else None."""
    notional = instrument.notional(price, added_qty + recent_qty)
    return notional if added_qty and notional > large_notional else None


def envelope_qty(envelope: Decimal, *, price: int, instrument: Instrument) -> int:
    """Largest |position| that is worth no more than the envelope."""
    return max(0, int(envelope / (price * instrument.unit))) if price > 0 else 0


def half(qty: int, lot: int) -> int:
    """Half of a quantity, rounded down to whole lots."""
    return qty // 2 - qty // 2 % lot


def bounded(goal: int, most: int) -> int:
    """A signed goal within +-`most`."""
    return max(-most, min(most, goal))
