"""Positions, money and protections, reckoned anew from the venue's fills."""

from __future__ import annotations

from domain.instrument import MONEY_STEP
from domain.order import OrderKind, OrderStatus
from engine.core.core import Core
from engine.core.kernel import Kernel
from research.simulation.cast import HAND
from research.simulation.door import Door
from research.simulation.violation import Violation, require


def check_fills(core: Core, door: Door) -> None:
    """The engine's positions are the sum of the venue's fills that it has been told of."""
    sums: dict[tuple[str, str], int] = {}
    seen = core.state.fills_seen
    for key, fill in door.told_fills.items():
        account = fill.account
        if account in seen and key in seen[account]:
            at = account, fill.instrument
            qty = fill.side * fill.qty
            sums[at] = sums[at] + qty if at in sums else qty
    for name, held in core.state.accounts.items():
        for instrument, position in held.positions.items():
            told = sums.get((name, instrument), 0)
            if position.qty != told:
                text = f"{name} {instrument}: the engine holds {position.qty}, the fills it knows give {told}"
                raise Violation("position is the sum of fills", text)


def line_is_idle(door: Door) -> bool:
    """True when nothing is on its way in either direction."""
    return door.exchange.next_due_ns in {0, door.floor.dead_man_ns}


def engine_is_quiet(kernel: Kernel) -> bool:
    """True when the engine waits for no answer."""
    state = kernel.core.state
    return not kernel.waiting and all(
        order.status is OrderStatus.OPEN and not order.cancel_ns and not order.amend_qty and not order.amend_price
        for slot in state.slots.values()
        for order in slot.orders.values()
    )


def why_restless(kernel: Kernel) -> str:
    """What the engine still waits for."""
    state = kernel.core.state
    rows = [
        f"{order.cid} {order.role.name} {order.status.name} cancel_ns={order.cancel_ns} amend_qty={order.amend_qty}"
        for slot in state.slots.values()
        for order in slot.orders.values()
        if order.status is not OrderStatus.OPEN or order.cancel_ns or order.amend_qty
    ]
    accounts = [account.id for account in state.accounts.values() if not account.reconciled]
    return f"waiting={list(kernel.waiting)} unreconciled={accounts} orders={rows}"


def check_agreement(kernel: Kernel, door: Door) -> None:
    """Nothing is on its way and nothing is faulty: engine and venue must agree on everything, to the last digit."""
    core = kernel.core
    for account in core.state.accounts.values():
        theirs = door.floor.accounts[account.id]
        require(account.reconciled, "reconciled", f"{account.id} is not reconciled")
        text = f"{account.id}: the engine has {account.cash}, the venue {theirs.cash}"
        require(account.cash == theirs.cash, "cash is conserved", text)
        fees = sum((h.fees for h in theirs.holdings.values()), start=MONEY_STEP * 0)
        funding = sum((h.funding for h in theirs.holdings.values()), start=MONEY_STEP * 0)
        require(account.fees == fees, "fees are conserved", f"{account.id}: {account.fees} and {fees}")
        require(account.funding == funding, "funding is conserved", f"{account.id}: {account.funding} and {funding}")
        for instrument in door.instruments:
            ours = account.positions.get(instrument)
            holding = theirs.holdings.get(instrument)
            qty, value = (ours.qty, ours.entry_value) if ours is not None else (0, MONEY_STEP * 0)
            venue = (holding.qty, holding.entry_value) if holding is not None else (0, MONEY_STEP * 0)
            if (qty, value) != venue:
                text = f"the engine has {qty} for {value}, the venue {venue[0]} for {venue[1]}"
                raise Violation("position is the venue's", f"{account.id} {instrument}: {text}")
        _orders(kernel, door, account.id)
    check_fills(core, door)


def _orders(kernel: Kernel, door: Door, account: str) -> None:
    core = kernel.core
    ours = {
        order.cid: (order.side, order.price, order.qty, order.filled, order.trigger)
        for slot in core.state.slots.values()
        if slot.account == account
        for order in slot.orders.values()
    }
    theirs = {
        order.cid: (order.side, order.price, order.qty, order.filled, order.trigger)
        for order in door.floor.accounts[account].open.values()
    }
    known = {cid: row for cid, row in theirs.items() if cid in ours or not cid.startswith(HAND)}
    strange = sorted({*ours.items()} ^ {*known.items()})
    require(not strange, "orders are the venue's", f"{account}: on one side only: {strange}")


def unprotected(kernel: Kernel, door: Door) -> dict[str, str]:
    """Positions whose strategy wants a stop or take-profit that the venue does not have in their size, and strays."""
    found: dict[str, str] = {}
    for slot in kernel.core.state.slots.values():
        account = door.floor.accounts[slot.account]
        held = account.qty(slot.instrument)
        if slot.stop_side * held < 0:
            continue  # reversing: the protection that is wanted is for the other side
        for kind, wanted in ((OrderKind.STOP, slot.stop), (OrderKind.TAKE_PROFIT, slot.take_profit)):
            resting = [o for o in account.open.values() if o.instrument == slot.instrument and o.kind is kind]
            covered = sum(order.leaves for order in resting)
            needed = abs(held) if wanted else 0
            if covered != needed and not any(order.fired for order in resting):
                text = f"{slot.key} holds {held}, wants {kind.name} at {wanted}; the venue has {covered}"
                found[f"{slot.key} {kind.name}"] = text
    return found


def check_flat(kernel: Kernel, door: Door) -> None:
    """After a flatten, nothing is held."""
    held = {
        f"{account.id} {name}": holding.qty
        for account in door.floor.accounts.values()
        for name, holding in account.holdings.items()
        if holding.qty
    }
    require(not held, "flatten closes everything", f"{held}; {why_restless(kernel)}")
