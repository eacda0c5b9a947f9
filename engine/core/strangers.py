"""What is at the venue and not ours: orders and contracts that this engine knows nothing of.

An order whose id is ours was forgotten in a crash and is cancelled. Any other is treated as its account's settings say
(`Strangers`): people are asked while the venue is REDUCING, or it is cancelled, or adopted by `manual`. What is
reduce-only may protect a position and is never taken away. Each is told once; a resume lets it be.
"""

from __future__ import annotations

from domain.account import Account, venue_of
from domain.events import OpenOrder, VenueSnapshot
from domain.facts import Severity, TradingState
from domain.order import Order, OrderStatus, Role
from domain.settings import Strangers
from engine.core import manual, trading
from engine.core.core import Core
from engine.core.executor import converge
from engine.core.executor.place import cancel
from engine.core.state import Slot

BY = "reconciliation"


def on_order(core: Core, account: Account, stray: OpenOrder) -> None:
    """An order that is not in the books."""
    if stray.instrument not in core.instruments:
        on_contract(core, account, stray.instrument)
        return
    if stray.cid.startswith(core.state.installation + "-"):
        slot, order = remember(core, account, stray, Role.TARGET)
        cancel(core, slot, order)
        text = f"Cancelling our own forgotten order {stray.cid} at the venue."
        core.alert(Severity.WARNING, "stray_order", text, account=account.id)
        return
    policy = policy_of(core, account)
    if policy is Strangers.CANCEL and not stray.reduce_only:
        slot, order = remember(core, account, stray, Role.TARGET)
        cancel(core, slot, order)
        text = f"{words(core, account, stray)} It is being cancelled."
        core.alert(Severity.WARNING, "foreign_order", text, **labels_of(account, stray))
    elif policy is Strangers.ADOPT and may_adopt(core, account, stray):
        adopt(core, account, stray)
    elif stray.cid not in account.strangers:
        account.strangers[stray.cid] = stray.reduce_only
        tell(core, account, stray, policy)


def policy_of(core: Core, account: Account) -> Strangers:
    """What the settings say of an account."""
    for spec in core.state.settings.accounts:
        if spec.id == account.id:
            return spec.on_foreign_order
    return Strangers.ASK


def words(core: Core, account: Account, stray: OpenOrder) -> str:
    """An order of somebody else, in a sentence."""
    instrument = core.instruments[stray.instrument]
    side = "buy" if stray.side > 0 else "sell"
    at = f" at {instrument.price_text(stray.price or stray.trigger)}" if stray.price or stray.trigger else ""
    what = f"{side} {instrument.qty_text(stray.qty)} {stray.instrument}{at}"
    guards = " (reduce-only)" if stray.reduce_only else ""
    return f"{account.id} has an order {stray.cid} that this engine did not send: {what}{guards}."


def labels_of(account: Account, stray: OpenOrder) -> dict[str, str]:
    """What names an alert about it."""
    labels = {"venue": venue_of(account.id), "account": account.id, "instrument": stray.instrument}
    return {**labels, "order": stray.cid}


def tell(core: Core, account: Account, stray: OpenOrder, policy: Strangers) -> None:
    """People decide; where the policy is to cancel, what may protect a position is only told."""
    if policy is Strangers.CANCEL:
        left = "It is left alone, because it may protect a position."
        text = f"{words(core, account, stray)} {left}"
        core.alert(Severity.WARNING, "foreign_order", text, **labels_of(account, stray))
        return
    venue = venue_of(account.id)
    trading.latch_venue(core, venue, TradingState.REDUCING, BY, f"foreign order {stray.cid} on {account.id}")
    owned = f" It cannot be adopted: {core.slot(account.id, stray.instrument).owner} trades there."
    core.alert(
        Severity.ERROR,
        "foreign_order",
        f"{words(core, account, stray)}{owned if policy is Strangers.ADOPT else ''} {venue} is REDUCING. Cancel it at "
        f"the venue (or leave it), then /resume {venue}.",
        **labels_of(account, stray),
    )


def may_adopt(core: Core, account: Account, stray: OpenOrder) -> bool:
    """One owner per account and instrument: only where no strategy trades."""
    owner = core.slot(account.id, stray.instrument).owner
    return owner not in core.state.strategies or owner == manual.manual_id(account.id, stray.instrument)


def adopt(core: Core, account: Account, stray: OpenOrder) -> None:
    """It lives on as an order of `manual`: counted, cancelled by a halt, never replaced."""
    manual.give_to_manual(core, core.slot(account.id, stray.instrument))
    slot, _ = remember(core, account, stray, Role.ADOPTED)
    text = f"{words(core, account, stray)} It is adopted."
    core.alert(Severity.WARNING, "foreign_order", text, **labels_of(account, stray))
    converge(core, slot)


def remember(core: Core, account: Account, stray: OpenOrder, role: Role) -> tuple[Slot, Order]:
    """Take an order into the books, so that its fills are known and its cancel is followed up."""
    slot = core.slot(account.id, stray.instrument)
    order = Order(
        cid=stray.cid,
        owner=slot.owner,
        account=account.id,
        instrument=stray.instrument,
        side=stray.side,
        kind=stray.kind,
        role=role,
        qty=stray.qty,
        price=stray.price,
        trigger=stray.trigger,
        reduce_only=stray.reduce_only,
        status=OrderStatus.OPEN,
        filled=stray.filled,
        venue_id=stray.venue_id,
        venue_ts_ns=account.venue_ts_ns,
        created_ns=core.state.ts_ns,
        updated_ns=core.state.ts_ns,
    )
    slot.orders[order.cid] = order
    core.state.where[order.cid] = slot.key
    core.order_changed(slot, order)
    return slot, order


def on_contract(core: Core, account: Account, instrument: str) -> None:
    """The venue holds something that the settings do not know: nothing new there until a person has looked."""
    if instrument in account.strangers:
        return
    account.strangers[instrument] = False
    venue = venue_of(account.id)
    reason = f"{account.id} holds {instrument}, which is not configured"
    trading.latch_venue(core, venue, TradingState.REDUCING, BY, reason)
    core.alert(
        Severity.ERROR,
        "foreign_position",
        f"{account.id} has a position or order in {instrument}, which the settings do not know. {venue} is REDUCING. "
        f"Close it at the venue or add the instrument to the settings, then /resume {venue}.",
        venue=venue,
        account=account.id,
        instrument=instrument,
    )


def forget_gone(core: Core, account: Account, event: VenueSnapshot) -> None:
    """What is not there any more is news when it comes again."""
    there = {order.cid for order in event.orders if order.cid not in core.state.where}
    there |= {order.instrument for order in event.orders} | {held.instrument for held in event.positions}
    account.strangers = {name: guards for name, guards in account.strangers.items() if name in there}
