"""Letting a parked target go: the second look, at the moment of the last vote."""

from __future__ import annotations

from decimal import Decimal

from domain.settings import SECOND_NS
from domain.verdict import Reason, Veto
from engine.core import limits, manual, review, wide
from engine.core.core import Core
from engine.core.executor import converge
from engine.core.executor.exposure import reference
from engine.core.executor.targets import worst_price
from engine.core.state import Parked
from risk.gate import check_collar
from risk.policy import clip_to_limit


def release_parked(core: Core, parked: Parked) -> Veto | str:
    """Re-review a parked target at the moment of approval, against fresh prices and limits, then let it go."""
    slot = core.state.slots[parked.slot]
    veto = manual.obstacle(core, slot, parked.target)
    if veto is not None:
        return veto
    config = limits.gate_of(core, slot)
    if config is None:
        return Veto(Reason.LIMIT_MISSING, slot.instrument)
    instrument = core.instruments[slot.instrument]
    price, seen_ns = reference(core, slot)
    age_ns = core.state.ts_ns - seen_ns
    veto = check_collar(config, parked.price, 1, price, age_ns) or check_collar(config, parked.price, -1, price, age_ns)
    veto = veto or stale_price(core, parked.price, price, age_ns)
    if veto is not None:
        return veto
    most = config.max_position_notional
    dearest = worst_price(core, slot)
    allowed, clipped = clip_to_limit(parked.target, price=dearest, instrument=instrument, max_notional=most)
    if clipped is not None:
        return Veto(clipped, f"allowed={instrument.qty_text(allowed)}")
    allowed, tightest = wide.fits(core, slot, parked.target, dearest)
    if tightest is not None and allowed != parked.target:
        return Veto(tightest, f"allowed={instrument.qty_text(allowed)}")
    adds = review.added_by(core, slot, parked)
    if adds > parked.added:
        asked, now = instrument.qty_text(parked.added), instrument.qty_text(adds)
        return Veto(Reason.MOVED, f"it was to add {asked} and would add {now} now")
    slot.parked = ""
    review.put_in_force(core, slot, parked)
    owner = core.state.strategies.get(slot.owner)
    for protection in owner.desired.protections if owner is not None else ():
        if protection.instrument == slot.instrument:
            review.review_protection(core, slot, protection)
    core.index_slots()
    converge(core, slot)
    return f"{slot.instrument} target {instrument.qty_text(parked.target)} is in force."


def stale_price(core: Core, asked: int, now: int, age_ns: int) -> Veto | None:
    """Why the market is not the one that was voted on: the price has gone too far, or nobody has seen it lately."""
    approvals = core.state.settings.approvals
    if age_ns > approvals.quote_age_ns:
        text = (
            f"the price is {age_ns // SECOND_NS} s old, at a vote {approvals.quote_age_ns // SECOND_NS} s are allowed"
        )
        return Veto(Reason.PRICE_UNKNOWN, text)
    moved = abs(now - asked) / Decimal(asked) if asked else Decimal(0)
    if moved > approvals.price_move:
        text = f"it has moved by {moved:.2%} since it was asked for, {approvals.price_move:.2%} are allowed"
        return Veto(Reason.PRICE_COLLAR, text)
    return None
