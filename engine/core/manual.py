"""What people trade by hand: the built-in strategy `manual` carries it, one for each account and instrument.

    manual  a market order: that much more is its target
    limit   an order at a price: it rests beside the target (`engine.core.executor.resting`)

Both are refused in words before anybody is asked to vote, wait for votes when large, and are looked at again then.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from domain import commands as c
from domain.account import venue_of
from domain.desired import NOTHING, Style
from domain.errors import Unrepresentable
from domain.facts import StrategyStatus, TradingState
from domain.instrument import Instrument
from domain.settings import SECOND_NS, StrategySpec
from domain.verdict import REASONS, Reason, Veto
from engine.core import limits, requests, review, succession, trading
from engine.core.core import Core
from engine.core.executor import converge, resting
from engine.core.executor.exposure import exposure_of, reference
from engine.core.executor.place import cancel, check_band
from engine.core.executor.targets import towards_zero
from engine.core.resting import Resting
from engine.core.state import MANUAL, Parked, Slot, StrategyState
from risk import policy
from risk.gate import Exposure, adds_risk, check_collar, check_exposure, check_self_match, check_size

LONGEST_NS = 90 * 86_400 * SECOND_NS
"""How long a person's order may rest."""


def find_or_none(core: Core, account: str, instrument: str) -> Veto | None:
    """Why there is no such slot."""
    if account not in core.state.accounts:
        return Veto(Reason.NO_SUCH, f"account {account}")
    if instrument not in core.instruments:
        return Veto(Reason.NO_SUCH, f"instrument {instrument}")
    if venue_of(account) != core.instruments[instrument].venue:
        return Veto(Reason.BAD_VALUE, f"{instrument} cannot be traded on {account}: another venue")
    return None


def find_slot(core: Core, account: str, instrument: str) -> Slot | Veto:
    """The slot a command names."""
    return find_or_none(core, account, instrument) or core.slot(account, instrument)


def manual_id(account: str, instrument: str) -> str:
    """Id of the built-in strategy that carries a person's orders in one slot."""
    return f"{MANUAL}:{account}:{instrument}"


def obstacle(core: Core, slot: Slot, target: int) -> Veto | None:
    """Why the executor would not work for this target now; a person is told instead of left waiting."""
    in_force = core.state.accounts[slot.account].trading
    if in_force is TradingState.HALTED:
        return Veto(Reason.HALTED)
    if slot.hold:
        return Veto(Reason.HELD, f"/hold {slot.instrument} off releases it")
    if slot.cap is not None and abs(target) > slot.cap:
        return Veto(Reason.CAPPED, f"cap={core.instruments[slot.instrument].qty_text(slot.cap)}")
    position = core.position(slot.account, slot.instrument)
    if in_force is TradingState.REDUCING and towards_zero(target, position) != target:
        return Veto(Reason.REDUCING, trading.why_venue(core, venue_of(slot.account)) or core.state.latched_reason)
    bar = core.bar_of(slot)
    if bar is Reason.BREAKER_OPEN and slot.key not in core.pairs and towards_zero(target, position) != target:
        return Veto(bar, venue_of(slot.account))
    return None


def limit_in_the_way(core: Core, slot: Slot, target: int) -> Veto | None:
    """Why the gate would refuse an order for this target, found before anyone is asked to vote on it."""
    config = limits.gate_of(core, slot)
    if config is None:
        return Veto(Reason.LIMIT_MISSING, slot.instrument)
    instrument = core.instruments[slot.instrument]
    gap = target - core.position(slot.account, slot.instrument)
    market = core.markets[slot.instrument]
    held = Exposure(core.position(slot.account, slot.instrument))
    side = 1 if gap > 0 else -1
    if not gap or not adds_risk(side, abs(gap), held):
        return None
    return check_band(market) or check_exposure(
        config, instrument, abs(gap), market.reference(), held.worst(side) + abs(gap)
    )


def give_to_manual(core: Core, slot: Slot) -> None:
    """The built-in strategy `manual` owns a slot from now on."""
    owner = manual_id(slot.account, slot.instrument)
    if owner not in core.state.strategies:
        spec = StrategySpec(id=owner, kind=MANUAL, account=slot.account, instruments=(slot.instrument,))
        core.state.strategies[owner] = StrategyState(spec, status=StrategyStatus.RUNNING, desired=NOTHING)
        slot.owner = owner
        succession.follow(core, core.state.strategies[owner])
    slot.owner = owner
    core.tally.dirty[slot.key] = None
    if (held := core.state.accounts[slot.account].positions.get(slot.instrument)) is not None:
        held.owner = owner


def slot_for(core: Core, account: str, instrument: str) -> Slot | Veto:
    """The slot that a person may trade by hand in, now."""
    slot = find_slot(core, account, instrument)
    if isinstance(slot, Veto):
        return slot
    if slot.owner and slot.owner != manual_id(account, instrument) and slot.owner in core.state.strategies:
        return Veto(Reason.NOT_OWNER, f"{slot.owner} owns {instrument} on {account}; use a sub-account")
    if slot.parked:
        return Veto(Reason.WRONG_STATE, f"{slot.parked} waits for votes; /approve or /deny it first")
    return slot if core.markets[instrument].reference() else Veto(Reason.PRICE_UNKNOWN)


def in_force(core: Core, slot: Slot) -> int:
    """What a person's order adds to: the target in force, else what is held."""
    return slot.target if slot.target is not None else core.position(slot.account, slot.instrument)


def manual(core: Core, who: str, command: c.ManualTarget) -> Veto | str:
    """A person's order: the built-in strategy `manual` wants that much more of an instrument."""
    slot = slot_for(core, command.account, command.instrument)
    if isinstance(slot, Veto):
        return slot
    instrument = core.instruments[command.instrument]
    try:
        qty = instrument.qty(command.qty)
    except Unrepresentable as error:
        return Veto(Reason.BAD_VALUE, str(error))
    base = in_force(core, slot)
    veto = obstacle(core, slot, base + qty) or limit_in_the_way(core, slot, base + qty)
    if veto is not None:
        return veto
    give_to_manual(core, slot)
    slot.manual_by = f"{who}|{core.state.seq}"
    entry = f"manual-{core.state.seq}"
    price = core.markets[command.instrument].reference()
    parked = Parked(slot.key, base + qty, Style.TAKE, 0, entry, price)
    if review.park_if_large(core, slot, parked):
        request = core.slot(slot.account, slot.instrument).parked
        if not request:
            return Veto(REASONS[slot.refused], slot.refused_detail)
        return f"Request {request} waits for approval by another person: /approve {request}."
    before = slot.target, slot.style, slot.band, slot.entry
    slot.refused = ""
    review.put_in_force(core, slot, parked)
    converge(core, slot)
    if slot.refused:
        slot.target, slot.style, slot.band, slot.entry = before
        converge(core, slot)
        return Veto(REASONS[slot.refused])
    return f"Working: {command.instrument} target {instrument.qty_text(parked.target)} on {command.account}."


def limit(core: Core, who: str, command: c.ManualLimit, *, is_approved: bool = False) -> Veto | str:
    """A person's order at a price. `is_approved`: others have agreed to exactly this command."""
    slot = slot_for(core, command.account, command.instrument)
    if isinstance(slot, Veto):
        return slot
    instrument = core.instruments[slot.instrument]
    try:
        wish = wish_of(core, instrument, who, command)
    except Unrepresentable as error:
        return Veto(Reason.BAD_VALUE, str(error))
    base = in_force(core, slot) + wish.side * resting.coming(slot, wish.side)
    veto = obstacle(core, slot, base + wish.side * wish.qty) or price_in_the_way(core, slot, wish)
    if veto is not None:
        return veto
    give_to_manual(core, slot)
    added = policy.added_exposure(base + wish.side * wish.qty, base)
    if is_approved:
        if added > instrument.qty(command.adds):
            return Veto(Reason.MOVED, f"it was to add {command.adds} and would add {instrument.qty_text(added)} now")
    elif added:
        notional = large_notional(core, slot, wish, added)
        if notional is not None:
            return ask(core, who, replace(command, adds=Decimal(instrument.qty_text(added))), wish, notional)
        slot.added.append((core.state.ts_ns, MANUAL, added))
    return rest(core, slot, wish)


def wish_of(core: Core, instrument: Instrument, who: str, command: c.ManualLimit) -> Resting:
    """The command in integers. Raises `Unrepresentable`."""
    qty, price = instrument.qty(command.qty), instrument.price(command.price)
    if not qty or price <= 0:
        raise Unrepresentable(f"{instrument.id}: quantity and price are greater than zero")
    step = instrument.price_step(price)
    if price % step:
        near = f"{instrument.price_text(price - price % step)} or {instrument.price_text(price - price % step + step)}"
        raise Unrepresentable(f"{instrument.id}: price {command.price} cannot be quoted; {near} can")
    if not 0 < command.valid_ns <= LONGEST_NS:
        raise Unrepresentable(f"an order rests at most {LONGEST_NS // SECOND_NS // 86_400} days")
    now = core.state.ts_ns
    side = 1 if qty > 0 else -1
    return Resting(f"manual-{core.state.seq}", side, price, abs(qty), now + command.valid_ns, who)


def price_in_the_way(core: Core, slot: Slot, wish: Resting) -> Veto | None:
    """Why the gate would refuse it now, found before anyone is asked to vote on it."""
    config = limits.gate_of(core, slot)
    if config is None:
        return Veto(Reason.LIMIT_MISSING, slot.instrument)
    instrument, market, now = core.instruments[slot.instrument], core.markets[slot.instrument], exposure_of(core, slot)
    closes = resting.reduces(core, slot, wish)
    age_ns = core.state.ts_ns - market.ts_ns
    veto = check_size(config, instrument, wish.qty, wish.price, reduce_only=closes)
    veto = veto or check_collar(config, wish.price, wish.side, market.reference(), age_ns)
    veto = veto or check_self_match(wish.side, wish.price, now)
    if veto is not None or closes or not adds_risk(wish.side, wish.qty, now):
        return veto
    return check_band(market) or check_exposure(
        config, instrument, wish.qty, wish.price, now.worst(wish.side) + wish.qty
    )


def large_notional(core: Core, slot: Slot, wish: Resting, added: int) -> Decimal | None:
    """What it adds in money, with a person's orders of the last minutes, when that takes a vote; else None."""
    approvals, now = core.state.settings.approvals, core.state.ts_ns
    if not approvals.enabled:
        return None
    slot.added = [row for row in slot.added if now - row[0] < approvals.window_ns]
    return policy.needs_approval(
        added,
        recent_qty=sum(qty for _, of, qty in slot.added if of == MANUAL),
        price=max(wish.price, reference(core, slot)[0]),
        instrument=core.instruments[slot.instrument],
        large_notional=review.large_now(core, slot, since_ns=now - approvals.window_ns),
    )


def ask(core: Core, who: str, command: c.ManualLimit, wish: Resting, notional: Decimal) -> Veto | str:
    """Others have to agree first."""
    approvals = core.state.settings.approvals
    hours = f"{command.valid_ns / SECOND_NS / 3600:.1f}".removesuffix(".0")
    words = wish.words(core.instruments[command.instrument])
    request = requests.open_request(
        core,
        what="order",
        text=f"{who} wants to {words} or better on {command.account}, adding {notional:.2f}, for {hours} h at most",
        requester=who if who in core.persons else "",
        needed=approvals.order_votes,
        ttl_ns=approvals.order_ttl_ns,
        command=command,
    )
    if isinstance(request, Veto):
        return request
    return f"Request {request.id} waits for approval by another person: /approve {request.id}."


def rest(core: Core, slot: Slot, wish: Resting) -> Veto | str:
    """Let it work; what the gate refuses now is refused to the person."""
    slot.resting[wish.id] = wish
    slot.retry_ns = slot.reduce_retry_ns = 0
    slot.refused = ""
    converge(core, slot)
    instrument = core.instruments[slot.instrument]
    if not wish.cid and wish.left:
        slot.resting.pop(wish.id, None)
        converge(core, slot)
        refused = REASONS[slot.refused] if slot.refused else Reason.BREAKER_OPEN
        return Veto(refused, slot.refused_detail if slot.refused else "")
    return f"Working: {wish.words(instrument)} or better on {slot.account}. /cancel {wish.cid} takes it out."


def release(core: Core, who: str, command: c.ManualLimit) -> Veto | str:
    """Others have agreed: look again, at fresh prices."""
    market = core.markets[command.instrument]
    age_ns = core.state.ts_ns - market.ts_ns
    if age_ns > core.state.settings.approvals.quote_age_ns:
        return Veto(Reason.PRICE_UNKNOWN, f"the price is {age_ns // SECOND_NS} s old")
    return limit(core, who, command, is_approved=True)


def order(core: Core, who: str, command: c.ManualTarget | c.ManualLimit) -> Veto | str:
    """A person's order, at the market or at a price."""
    return manual(core, who, command) if isinstance(command, c.ManualTarget) else limit(core, who, command)


def cancel_order(core: Core, cid: str) -> Veto | str:
    """Cancel one order. Of an executor's the slot is held, so that it does not put it back."""
    for slot in core.state.slots.values():
        for wish in slot.resting.values():
            if cid in {wish.id, wish.cid}:
                resting.end(core, slot, wish)
                return f"Cancelling {cid}: {wish.words(core.instruments[slot.instrument])}."
    found = core.order(cid)
    if found is None:
        return Veto(Reason.NO_SUCH, f"no working order {cid}")
    slot, working = found
    slot.hold = True
    cancel(core, slot, working)
    converge(core, slot)
    return f"Cancelling {cid}. {slot.instrument} on {slot.account} is on hold; /hold {slot.instrument} off releases it."
