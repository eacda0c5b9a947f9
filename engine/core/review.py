"""Review: from what a strategy wants (float64) to what is approved for its slots (integers).

Here risk policy acts on `Desired`: it sizes strengths once per entry, clips to limits and envelopes,
parks what is large until another person approves, and vetoes what cannot be. The last approved target
stays in force while a new one waits.
"""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from operator import attrgetter

from msgspec.structs import replace

from domain.desired import Hedge, Protection, Qty, Quote, Strength, Target
from domain.errors import Unrepresentable
from domain.facts import StrategyStatus, TradingState
from domain.instrument import ZERO, InstrumentId
from domain.order import Role, check_side
from domain.settings import ApprovalSettings, StrategySpec
from domain.verdict import Reason
from engine.core import limits, requests, wide
from engine.core.core import Core
from engine.core.executor import converge, resting, takes
from engine.core.executor.exposure import envelope_left, exposure_of, joint, net, reference
from engine.core.executor.targets import hedge_goal, worst_price
from engine.core.sizing import size_of
from engine.core.state import MANUAL, Parked, Slot, StrategyState, WantedQuote
from risk import policy

HALTED, STOP = TradingState.HALTED, Role.STOP
UNNAMED = "unnamed"
"""Entry of targets and protections that name none: a stop that fires consumes it like any other."""


def review(core: Core, strategy: StrategyState) -> None:
    """Carry what the strategy wants into its slots and converge those that it touches."""
    desired, spec, accounts = strategy.desired, strategy.spec, core.state.accounts
    if accounts[spec.account].trading is HALTED and all(accounts[name].trading is HALTED for name in spec.accounts):
        return
    if spec.kind == MANUAL:
        for slot in core.slots_of(spec.id):
            converge(core, slot)
        return
    slots = traded(core, spec)
    review_slots(core, strategy, slots)
    for slot in slots.values():
        converge(core, slot)
    if desired.takes:
        takes.forget_expired(core, strategy)
        for take in desired.takes:
            found = slots.get(take.instrument)
            if found is not None and found.owner == spec.id:
                takes.act(core, strategy, found, take, None if found.most is None else room(core, found, take.side))


def traded(core: Core, spec: StrategySpec) -> dict[InstrumentId, Slot]:
    """The slots of what a strategy trades; kept while it has this very spec, and no slot is replaced by another."""
    known = core.traded.get(spec.id)
    if known is None or known[0] is not spec:
        known = core.traded[spec.id] = spec, {i: core.slot(spec.account_of(i), i) for i in spec.instruments}
    return known[1]


def review_slots(core: Core, strategy: StrategyState, slots: dict[str, Slot]) -> None:
    """Put reviewed targets, protections and quotes into the slots; what names a foreign slot is refused."""
    desired, spec, accounts = strategy.desired, strategy.spec, core.state.accounts
    targets = {target.instrument: target for target in desired.targets} if desired.targets else {}
    protections = {p.instrument: p for p in desired.protections} if desired.protections else {}
    quotes: dict[str, list[Quote]] = {}
    for quote in desired.quotes:
        quotes.setdefault(quote.instrument, []).append(quote)
    for instrument, slot in slots.items():
        if slot.owner != spec.id or accounts[slot.account].trading is HALTED:
            continue
        target = targets.get(instrument) if targets else None
        protection = protections.get(instrument) if protections else None
        quoted = quotes.get(instrument, ()) if quotes else ()
        if target is not None or slot.target is not None or slot.parked:
            review_target(core, slot, target)
        if protection is not None and not is_of_parked(slot, protection):
            review_protection(core, slot, protection)
        if quoted or desired.takes:
            slot.most = most_of(core, strategy, slot)
        if slot.quotes or quoted:
            slot.quotes = review_quotes(core, slot, quoted)
    for instrument in (*targets, *quotes, *protections):
        if instrument not in slots:
            core.refuse(next(iter(slots.values())), Reason.NOT_OWNER, f"{spec.id} does not trade {instrument}")


def clear_wants(core: Core, strategy: StrategyState) -> None:
    """Pull everything but protections."""
    for slot in core.slots_of(strategy.spec.id):
        slot.target = None
        slot.quotes = ()
        slot.hedge_lead = ""
        withdraw_parked(core, slot)
        resting.end_all(core, slot, "its owner wants nothing any more")
        converge(core, slot)
    core.index_slots()


def withdraw_parked(core: Core, slot: Slot, why: str = "the strategy no longer wants it") -> None:
    """End a waiting request whose target is no longer wanted."""
    if slot.parked:
        waiting, slot.parked = slot.parked, ""
        requests.withdraw(core, waiting, why)


def review_target(core: Core, slot: Slot, target: Target | None) -> None:
    """Size, clip and, when large, park one target."""
    if target is None:
        if slot.target is not None or slot.parked or slot.hedge_lead:
            slot.target = None
            slot.hedge_lead = ""
            withdraw_parked(core, slot)
            core.index_slots()
        return
    indexed = (slot.style, slot.hedge_lead, slot.target is None)
    instrument = core.instruments[slot.instrument]
    try:
        qty = wanted_qty(core, slot, target)
        band = instrument.round_qty(abs(target.band))
    except Unrepresentable as error:
        core.refuse(slot, Reason.BAD_NUMBER, str(error))
        return
    price, _ = reference(core, slot)
    config = limits.gate_of(core, slot)
    if config is not None:
        dearest = worst_price(core, slot)
        qty, clipped = policy.clip_to_limit(
            qty, price=dearest, instrument=instrument, max_notional=config.max_position_notional
        )
        if clipped is not None:
            core.refuse(slot, clipped, f"entry={target.entry}")
        wanted = qty
        qty, clipped = wide.clip(core, slot, target.entry, wanted, dearest)
        if clipped is not None:
            left, all_of = instrument.qty_text(qty), instrument.qty_text(wanted)
            core.refuse(slot, clipped, f"entry={target.entry}: {left} of {all_of}")
    entry = target.entry if isinstance(target.want, Hedge) else target.entry or UNNAMED
    parked = Parked(slot.key, qty, target.style, band, entry, price)
    if not leapt(core, slot, parked) and (slot.hedge_lead or not park_if_large(core, slot, parked)):
        put_in_force(core, slot, parked)
    if indexed != (slot.style, slot.hedge_lead, slot.target is None):
        core.index_slots()


def leapt(core: Core, slot: Slot, parked: Parked) -> bool:
    """True for more exposure by a price that may be wrong: neither its size nor whether it is large can be told."""
    if not core.markets[slot.instrument].is_off() or slot.hedge_lead or not added_by(core, slot, parked):
        return False
    slot.sized_entry = ""
    core.refuse(slot, Reason.PRICE_BAND, f"entry={parked.entry}")
    core.set_timer_once(f"again:{slot.owner}", core.state.ts_ns + core.state.settings.execution.retry_ns)
    return True


def again(core: Core, strategy_id: str) -> None:
    """Timer: what a strategy wanted by a price that may have been wrong is looked at again."""
    strategy = core.state.strategies.get(strategy_id)
    if strategy is not None and strategy.status is StrategyStatus.RUNNING:
        review(core, strategy)


def wanted_qty(core: Core, slot: Slot, target: Target) -> int:
    """Signed quantity of a target in integer scale; a Strength is sized once per entry and then frozen."""
    instrument = core.instruments[slot.instrument]
    want = target.want
    if isinstance(want, Hedge):
        return follow(core, slot, want)
    qty = instrument.round_qty(want.value) if isinstance(want, Qty) else frozen_strength(core, slot, target.entry, want)
    slot.hedge_lead = ""
    return qty


def follow(core: Core, slot: Slot, want: Hedge) -> int:
    """Make the slot follow the fills of its lead. Raises `Unrepresentable` for a lead or ratio that cannot be."""
    lead = core.instruments.get(want.lead)
    leading = core.slot(core.account_of(slot, want.lead), want.lead)
    if lead is None or leading is slot or leading.owner != slot.owner:
        raise Unrepresentable(f"{slot.instrument} cannot follow {want.lead}: it is no other instrument of the strategy")
    naked_cap = lead.round_qty(want.naked_cap)
    core.instruments[slot.instrument].round_qty(want.ratio)
    slot.hedge_lead, slot.hedge_ratio, slot.naked_cap = want.lead, want.ratio, naked_cap
    return hedge_goal(core, slot)


def frozen_strength(core: Core, slot: Slot, entry: str, want: Strength) -> int:
    """Size a conviction at the first sight of its entry, and keep that size for the entry."""
    if not isfinite(want.value):
        raise Unrepresentable(f"{slot.instrument}: strength is not a number")
    if entry and slot.sized_entry == entry and want.value * slot.sized_qty > 0:
        return slot.sized_qty
    sized = size_of(core, slot, want.value)
    if sized.qty:
        slot.sized_entry, slot.sized_qty, slot.sized_why = entry, sized.qty, sized.words
    return sized.qty


def added_by(core: Core, slot: Slot, parked: Parked) -> int:
    """Quantity that a target adds to what is in force now."""
    if slot.consumed and slot.consumed == parked.entry:
        return 0  # it may only reduce: nobody needs to be asked
    if slot.consumed and slot.consumed == slot.entry and policy.added_exposure(parked.target, net(core, slot)):
        # a fired stop or a flatten closes what was in force: all of a larger position is new
        return abs(parked.target)
    return policy.added_exposure(parked.target, slot.target if slot.target is not None else net(core, slot))


def added_lately(core: Core, slot: Slot, parked: Parked, counted_as: str) -> int:
    """What was added without a vote within the window and is still there, whatever names its entries had.

    A person's orders all count, also those that were closed again.
    """
    lately = sum(qty for _, of, qty in slot.added if of == counted_as or not counted_as)
    if counted_as:
        return lately
    in_force = slot.target if slot.target is not None else net(core, slot)
    return min(lately, abs(in_force)) if in_force * parked.target > 0 else 0


def large_now(core: Core, slot: Slot, since_ns: int) -> Decimal:
    """The notional above which an addition waits: a part of the account's equity.

    For a person's order it is also no more than is left of that part of all equity: slices add up.
    """
    fraction = core.state.settings.approvals.large_fraction
    large = core.equity(slot.account) * fraction
    if not slot.owner.startswith(MANUAL):
        return large
    left = sum((core.equity(account) for account in core.state.accounts), start=ZERO) * fraction
    for other in core.state.slots.values():
        lately = sum(qty for at, of, qty in other.added if of == MANUAL and at > since_ns)
        if lately and other.key != slot.key:  # a preview asks with a copy of the slot
            left -= core.instruments[other.instrument].notional(core.markets[other.instrument].reference(), lately)
    return min(large, left)


def park_if_large(core: Core, slot: Slot, parked: Parked) -> bool:
    """True when the target now waits for approval; the one in force stays."""
    approvals: ApprovalSettings = core.state.settings.approvals
    added = added_by(core, slot, parked)
    if slot.parked:
        waiting = core.state.requests.get(slot.parked)
        if waiting is not None and waiting.parked is not None and waiting.parked.target == parked.target:
            return True
        if added:
            wanted = core.instruments[slot.instrument].qty_text(parked.target)
            withdraw_parked(core, slot, f"replaced: the strategy wants {wanted} now")
        else:
            withdraw_parked(core, slot)
    if not added:
        return False
    now = core.state.ts_ns
    if slot.added:
        slot.added = [row for row in slot.added if now - row[0] < approvals.window_ns]
    if approvals.enabled and parked.price:
        counted_as = MANUAL if slot.owner.startswith(MANUAL) else ""
        notional = policy.needs_approval(
            added,
            recent_qty=added_lately(core, slot, parked, counted_as),
            price=parked.price,
            instrument=core.instruments[slot.instrument],
            large_notional=large_now(core, slot, since_ns=now - approvals.window_ns),
        )
        if notional is not None and parked.entry == slot.declined:
            core.refuse(slot, Reason.DECLINED, f"entry={parked.entry}")
            return True
        if notional is not None:
            slot.parked = requests.park(core, slot, replace(parked, added=added), notional)
            if slot.parked:
                core.refuse(slot, Reason.NEEDS_APPROVAL, f"request={slot.parked} notional={notional}")
            return True
        slot.added.append((now, counted_as, added))
    return False


def put_in_force(core: Core, slot: Slot, parked: Parked) -> None:
    """Make a reviewed target the one that the executor works for."""
    slot.target = parked.target
    slot.style = parked.style
    slot.band = parked.band
    slot.entry = parked.entry
    if slot.consumed and slot.consumed == slot.entry:
        core.refuse(slot, Reason.ENTRY_CONSUMED, f"entry={slot.entry}")


def is_of_parked(slot: Slot, protection: Protection) -> bool:
    """True for the protection of a target that still waits: what is in force keeps its own until then."""
    return bool(slot.parked) and (protection.entry or UNNAMED) != slot.entry


def review_protection(core: Core, slot: Slot, protection: Protection) -> None:
    """Take over stop and take-profit of an entry; while it guards a position the stop only tightens.

    Another name for the entry, such as after new parameters, does not loosen what rests.
    """
    instrument = core.instruments[slot.instrument]
    entry = protection.entry or UNNAMED
    side = guarded_side(core, slot, entry)
    try:
        stop = instrument.round_price(protection.stop, 0) if protection.stop else 0
        take_profit = instrument.round_price(protection.take_profit, 0) if protection.take_profit else 0
    except Unrepresentable as error:
        core.refuse(slot, Reason.BAD_NUMBER, str(error))
        return
    same_side = slot.stop_side in {0, side}
    if slot.stop and same_side and (entry == slot.stop_entry or is_guarded(core, slot)):
        looser = not stop or (stop < slot.stop if side > 0 else stop > slot.stop)
        if looser:
            core.refuse(slot, Reason.LOOSER_STOP, f"entry={entry}")
            stop = slot.stop
    slot.stop_entry = entry
    slot.stop_side = side
    slot.stop = stop
    slot.take_profit = take_profit


def guarded_side(core: Core, slot: Slot, entry: str) -> int:
    """Sign of the position that a protection of this entry is for: what the entry wants, else what is held."""
    whole = slot.target if slot.target and entry == slot.entry else net(core, slot)
    whole = whole or slot.target or 0
    return 1 if whole > 0 else -1 if whole else 0


def is_guarded(core: Core, slot: Slot) -> bool:
    """True while a stop rests against the position that is held."""
    pair = core.pairs.get(slot.key) if core.pairs else None
    for half in (slot,) if pair is None else (pair.primary, pair.backup):
        held = core.position(half.account, half.instrument)
        if any(order.role is STOP and order.side * held < 0 for order in half.orders.values()):
            return True
    return False


def most_of(core: Core, strategy: StrategyState, slot: Slot) -> int | None:
    """Largest |position| that the strategy's envelope lets quotes and takes lead to; None when approvals are off."""
    if not core.state.settings.approvals.enabled:
        return None
    envelope = strategy.envelope
    if envelope is None:
        envelope = usual_envelope(core, strategy.spec)
    return policy.envelope_qty(envelope, price=reference(core, slot)[0], instrument=core.instruments[slot.instrument])


def usual_envelope(core: Core, spec: StrategySpec) -> Decimal:
    """What a strategy may add where nobody has said: its legs are no larger than its poorest account may hold."""
    least = min([core.equity(account) for account in spec.all_accounts])
    return least * core.state.settings.approvals.large_fraction


def room(core: Core, slot: Slot, side: int) -> int | None:
    """How much one more take may add on a side, with everything that may still fill; None = any quantity."""
    most = envelope_left(core, slot)
    return None if most is None else max(0, most - joint(core, slot, exposure_of(core, slot)).worst(side))


_level = attrgetter("level")


def review_quotes(core: Core, slot: Slot, wanted: list[Quote] | tuple[Quote, ...]) -> tuple[WantedQuote, ...]:
    """Round quotes outwards and clip them, nearest level first, to the strategy's envelope."""
    instrument, most = core.instruments[slot.instrument], slot.most
    left: dict[int, int] | None = None
    if most is not None:
        position = net(core, slot)
        left = {1: max(0, most - position), -1: max(0, most + position)}
    kept: list[WantedQuote] = []
    for quote in sorted(wanted, key=_level) if len(wanted) > 1 else wanted:
        side = quote.side
        try:
            price = instrument.round_price(quote.price, check_side(side))
            qty = instrument.round_qty(quote.qty)
        except Unrepresentable as error:
            core.refuse(slot, Reason.BAD_NUMBER, str(error))
            continue
        if left is not None:
            rest = left[side]
            if qty > rest:
                qty = rest - rest % instrument.lot
                core.refuse(slot, Reason.ENVELOPE, f"side={side} level={quote.level}")
            if qty > 0:
                left[side] = rest - qty
        if qty > 0:
            kept.append(WantedQuote(side, price, qty, quote.level))
    return tuple(kept)
