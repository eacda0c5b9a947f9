"""Cancelling by hand: one order, whatever it is, or many, of which those that protect or only reduce stay."""

from __future__ import annotations

from domain.commands import CancelOrder, CancelOrders
from domain.verdict import Reason, Veto
from engine.core import manual
from engine.core.core import Core


def cancel(core: Core, command: CancelOrder | CancelOrders) -> Veto | str:
    """Cancel what a person names, and hold the slots, so that the executor does not put it back."""
    if isinstance(command, CancelOrder):
        return manual.cancel_order(core, command.cid)
    return cancel_orders(core, command.cids)


def cancel_orders(core: Core, cids: tuple[str, ...]) -> Veto | str:
    """Cancel these orders and hold their slots; says what became of each kind."""
    cancelled, kept, gone, held = 0, 0, 0, []
    for cid in dict.fromkeys(cids):
        found = core.order(cid)
        if found is None:
            gone += 1
        elif found[1].reduce_only:
            kept += 1
        else:
            slot = found[0]
            manual.cancel_order(core, cid)
            cancelled += 1
            held += [f"{slot.instrument} on {slot.account}"] if slot.hold else []
    if not cancelled:
        return Veto(Reason.NO_SUCH, f"of {len(cids)} order(s) {gone} are gone, {kept} only reduce and stay")
    names = list(dict.fromkeys(held))
    text = f"Cancelling {cancelled} order(s)."
    text += f" On hold: {', '.join(names)}; /hold SYMBOL off releases one." if names else ""
    text += f" {gone} were gone already." if gone else ""
    return text + (f" {kept} that protect or only reduce stay." if kept else "")
