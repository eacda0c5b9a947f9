"""The only way to an order: the gate looks, the id is derived, the order is recorded, the intent leaves.

Also amend and cancel, so that every message is counted here against its budgets (`executor.messages`).
"""

from __future__ import annotations

from domain.account import venue_of
from domain.facts import TradingState
from domain.market import UNTRUSTED
from domain.order import PROTECTIVE, Amend, Cancel, Order, OrderKind, OrderStatus, Place, Role
from domain.verdict import Reason, Veto
from engine.core import deadman, limits, wide
from engine.core.core import Core
from engine.core.executor.exposure import envelope_left, exposure_of, hedging, joint
from engine.core.executor.messages import take_message
from engine.core.legs import one_out
from engine.core.limits import Limits
from engine.core.market import Market
from engine.core.state import Slot
from risk.gate import (
    Exposure,
    adds_risk,
    check_collar,
    check_envelope,
    check_exposure,
    check_self_match,
    check_size,
    into_collar,
)

LEAST_RETRY_NS = 1_000_000
QUOTE, TAKE = Role.QUOTE, Role.TAKE
"""Members by themselves: reading one off its enum costs as much as three steps of the interpreter."""
ACTIVE, OPEN, IOC = TradingState.ACTIVE, OrderStatus.OPEN, OrderKind.IOC
_ENVELOPED = frozenset({QUOTE, TAKE})
_MAY_PASS_LATER = frozenset(
    {
        Reason.MESSAGE_RATE,
        Reason.PRICE_UNKNOWN,
        Reason.PRICE_COLLAR,
        Reason.LIQUIDITY,
        Reason.SELF_MATCH,
        Reason.PRICE_BAND,
    }
)
_STATE_REASON = {TradingState.HALTED: Reason.HALTED, TradingState.REDUCING: Reason.REDUCING}


def check_risk(core: Core, slot: Slot, order: Order, found: Limits, now: Exposure, market: Market) -> Veto | None:
    """The part of the gate that only what adds risk has to pass: states and limits."""
    veto = check_state(core, slot, order)
    if veto is not None:
        return veto
    if market.feed in UNTRUSTED and market.reference():
        return Veto(Reason.STALE_FEED, f"feed={market.feed}")
    return check_band(market) or check_limits(core, slot, order, found, now, order.price or order.trigger, order.qty)


def check_band(market: Market) -> Veto | None:
    """Whether the price is one to go by: every limit in money is as wrong as the price that it is reckoned by."""
    if not market.is_off():
        return None
    return Veto(Reason.PRICE_BAND, f"reference={market.reference()} band={market.floor}..{market.ceiling}")


def check_state(core: Core, slot: Slot, order: Order | None = None) -> Veto | None:
    """Whether anything that adds risk, or this order, may go to the slot's venue now."""
    trading = core.state.accounts[slot.account].trading
    if trading is not ACTIVE:
        return Veto(_STATE_REASON[trading])
    bar = core.bar_of(slot)
    if bar is None or (order is not None and passes(core, slot, order, bar)):
        return None
    out = one_out(core, slot) if bar is Reason.LEG_OUT else None
    return Veto(bar, venue_of(slot.account) if out is None else f"{out.instrument} on {out.account}")


def passes(core: Core, slot: Slot, order: Order, bar: Reason) -> bool:
    """Whether an order goes through a bar: it does nothing but close what a leg at another venue leaves open."""
    return bar is Reason.LEG_OUT and order.leaves <= hedging(core, slot, order.side, without=order)


def check_limits(
    core: Core, slot: Slot, order: Order, found: Limits, now: Exposure, price: int, qty: int
) -> Veto | None:
    """Order, position and envelope of the slot and its other half, then everything larger, for `qty` that adds risk."""
    side, both = order.side, joint(core, slot, now) if core.pairs else now
    worst = both.worst(side) + qty
    veto = check_exposure(found.gate, core.instruments[slot.instrument], qty, price, worst)
    if veto is None and slot.most is not None and order.role in _ENVELOPED:
        veto = check_envelope(side, qty, both, envelope_left(core, slot))
    if veto is not None:
        return veto
    other = both.worst(-side)
    gross = together = worst if worst > other else other  # noqa: FURB136 - on the hot path
    if both is not now:
        worst = now.worst(side) + qty
        gross = max(worst, now.worst(-side))
    return wide.check(core, slot, found, side, price, worst, gross, together)


def check(core: Core, slot: Slot, order: Order, found: Limits, now: Exposure) -> Veto | None:
    """The gate for one new order; None lets it pass. Triggered orders have no price to judge yet."""
    state, config, side, price = core.state, found.gate, order.side, order.price
    instrument, market = core.instruments[slot.instrument], core.markets[slot.instrument]
    veto = check_size(config, instrument, order.qty, price or order.trigger, reduce_only=order.reduce_only)
    if veto is not None:
        return veto
    risky = not order.reduce_only and adds_risk(side, order.qty, now)
    if risky:
        veto = check_risk(core, slot, order, found, now, market)
        if veto is not None:
            return veto
    if not order.trigger:
        veto = check_collar(config, price, side, market.reference(), state.ts_ns - market.ts_ns)
        if veto is not None and (risky or veto.reason is Reason.PRICE_COLLAR):
            return veto
        veto = check_self_match(side, price, now)
        if veto is None and risky:
            veto = wide.check_own_accounts(core, slot, side, price)
        if veto is not None:
            return veto
    cid = order.cid
    if cid in state.where or cid in state.closed:
        return Veto(Reason.DUPLICATE, cid)
    if not take_message(core, slot, found, reserved=not risky):
        return Veto(Reason.MESSAGE_RATE, f"window_ns={config.window_ns}")
    return None


def place(  # noqa: PLR0913 - an order has this many parts
    core: Core,
    slot: Slot,
    role: Role,
    side: int,
    kind: OrderKind,
    qty: int,
    price: int,
    *,
    trigger: int = 0,
    reduce_only: bool = False,
    entry: str = "",
    level: int = 0,
) -> Veto | None:
    """Place one order, or say why not. A retry is armed where time alone can change the answer."""
    state = core.state
    not_before_ns = slot.reduce_retry_ns if reduce_only else slot.retry_ns
    if state.ts_ns < not_before_ns:
        core.set_timer_once(f"retry:{slot.key}", not_before_ns)
        return None
    found = limits.limits_of(core, slot)
    if found is None:
        core.refuse(slot, Reason.LIMIT_MISSING, slot.instrument)
        return Veto(Reason.LIMIT_MISSING)
    if kind is IOC:
        if reduce_only:
            reference, instrument = core.markets[slot.instrument].reference(), core.instruments[slot.instrument]
            price = into_collar(found.gate, price, side, reference, instrument.price_step(price))
        else:
            price = wide.short_of_own(core, slot, side, price)
    now_ns = state.ts_ns
    order = Order(
        core.next_client_id(),  # by position: from sixteen names on Python makes a dictionary of them first
        slot.owner,
        slot.account,
        slot.instrument,
        side,
        kind,
        role,
        qty,
        price,
        trigger=trigger,
        reduce_only=reduce_only,
        entry=entry,
        level=level,
        created_ns=now_ns,
        updated_ns=now_ns,
        valid_until_ns=now_ns + state.settings.execution.validity_ns,
    )
    if core.gate_on:
        veto = check(core, slot, order, found, exposure_of(core, slot))
        if veto is not None:
            refused(core, slot, veto)
            return veto
    if slot.refused:
        slot.refused = ""
    send(core, slot, order)
    return None


def send(core: Core, slot: Slot, order: Order) -> None:
    """Put an order that passed the gate into the books and on its way."""
    if order.role in PROTECTIVE:
        deadman.disarm(core, core.state.accounts[slot.account])
    cid, key = order.cid, slot.key
    slot.orders[cid] = order
    core.tally.dirty[key] = None
    core.state.where[cid] = key
    core.emit(
        Place(
            cid=cid,
            account=order.account,
            instrument=order.instrument,
            side=order.side,
            kind=order.kind,
            qty=order.qty,
            price=order.price,
            trigger=order.trigger,
            reduce_only=order.reduce_only,
            adds_risk=not order.reduce_only,
            valid_until_ns=order.valid_until_ns,
        )
    )
    if core.facts_on:
        core.tell_order(order)
    watch(core)


def refused(core: Core, slot: Slot, veto: Veto) -> None:
    """Publish a veto, and come back later where waiting helps."""
    core.refuse(slot, veto.reason, veto.detail)
    if veto.reason in _MAY_PASS_LATER:
        # later, even where nothing else waits: at this instant the answer would be the same, for ever
        retry_ns = max(core.state.settings.execution.retry_ns, LEAST_RETRY_NS)
        core.set_timer_once(f"retry:{slot.key}", core.state.ts_ns + retry_ns)


def watch(core: Core) -> None:
    """Look at unanswered requests after the acknowledgement time."""
    state = core.state
    due_ns = state.ts_ns + state.settings.execution.ack_timeout_ns
    known_ns = state.timers.get("inflight")
    if known_ns is None or due_ns < known_ns:
        core.set_timer("inflight", due_ns)


def settled(order: Order) -> bool:
    """True when nothing is in flight for the order: it may be amended."""
    return order.status is OPEN and not order.cancel_ns and not order.amend_price and not order.amend_qty


def cancel_of(core: Core, order: Order) -> Cancel:
    """The request that takes an order out; one that is not ours is named by the venue's id too."""
    venue_id = "" if order.cid.startswith(core.state.installation) else order.venue_id
    return Cancel(cid=order.cid, account=order.account, instrument=order.instrument, venue_id=venue_id)


def cancel(core: Core, slot: Slot, order: Order) -> None:
    """Ask for an order to be taken out, once; unanswered cancels are repeated by the in-flight check."""
    if order.cancel_ns:
        return
    take_message(core, slot, limits.limits_of(core, slot), reserved=True)
    order.cancel_ns = core.state.ts_ns
    core.emit(cancel_of(core, order))
    watch(core)


def amend(core: Core, slot: Slot, order: Order, price: int, qty: int, trigger: int = 0) -> None:
    """Change a settled order in place to a total quantity and price, within gate and budget.

    Where the venue changes nothing in place it is cancelled; what is wanted in its stead follows when it is gone. So it
    is where a larger amendment may still arrive, a second time or after all: behind a smaller one it would stand. Not
    so a stop: a position must never be without, and reduce-only it closes no more than is held.
    """
    found = limits.limits_of(core, slot)
    if found is None:
        return
    may_stay = qty >= order.sent_qty or order.role in PROTECTIVE
    if not (may_stay and core.instruments[slot.instrument].amends):
        cancel(core, slot, order)
        return
    state, reduce_only = core.state, order.reduce_only
    now_ns = state.ts_ns
    if now_ns < order.amend_until_ns:
        core.set_timer_once(f"retry:{slot.key}", order.amend_until_ns)
        return
    grows = qty > order.qty and not reduce_only
    if core.gate_on and not order.trigger:
        veto = check_amend(core, slot, order, found, price, qty, grows=grows)
        if veto is not None:
            refused(core, slot, veto)
            if not (grows and price == order.price):  # what may only not grow is still wanted as it stands
                cancel(core, slot, order)
            return
    if not take_message(core, slot, found, reserved=reduce_only):
        refused(core, slot, Veto(Reason.MESSAGE_RATE))
        return
    core.tally.dirty[slot.key] = None
    amend_no, until_ns = order.amend_no + 1, now_ns + state.settings.execution.validity_ns
    order.amend_no = amend_no
    order.amend_price = price or order.price
    order.amend_qty = qty
    order.updated_ns = now_ns
    order.amend_until_ns = until_ns
    order.sent_qty = qty
    order.sent_until_ns = until_ns
    core.emit(
        Amend(
            cid=order.cid,
            account=slot.account,
            instrument=slot.instrument,
            price=price,
            qty=qty,
            trigger=trigger,
            amend_no=amend_no,
            adds_risk=not reduce_only,
            valid_until_ns=until_ns,
        )
    )
    watch(core)


def check_amend(
    core: Core, slot: Slot, order: Order, found: Limits, price: int, qty: int, *, grows: bool
) -> Veto | None:
    """The gate for an amendment: collar, self-match with the other side, and exposure when it grows."""
    config, side, market = found.gate, order.side, core.markets[slot.instrument]
    veto = check_collar(config, price, side, market.reference(), core.state.ts_ns - market.ts_ns)
    if veto is not None:
        return veto
    now = exposure_of(core, slot, without=order)
    veto = check_self_match(side, price, now)
    if veto is not None:
        return veto
    left = (qty if qty > order.qty else order.qty) - order.filled  # noqa: FURB136 - max() costs thrice as much
    if order.reduce_only or not adds_risk(side, left, now):
        return None
    veto = check_state(core, slot, order) or check_band(market) or wide.check_own_accounts(core, slot, side, price)
    if veto is not None:
        return veto
    if market.feed in UNTRUSTED:
        return Veto(Reason.STALE_FEED, f"feed={market.feed}")
    if grows:
        return check_limits(core, slot, order, found, now, price, left)
    if price == order.price:
        return None
    worst = (joint(core, slot, now) if core.pairs else now).worst(side) + left
    return check_exposure(config, core.instruments[slot.instrument], left, price, worst)
