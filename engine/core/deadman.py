"""The venue's dead-man's switch: it cancels everything of an account, stops included, when it is not heard from us.

Used where the venue has one (`VenueOpened`) and the settings give it a time. It is armed again well before that is
over, and disarmed before a protection goes out and while anything rests that protects a position, ours or not.
"""

from __future__ import annotations

from domain.account import Account, venue_of
from domain.facts import Severity
from domain.order import ArmDeadMan
from engine.core.core import Core, by_key

ARMS_PER_SPAN = 3
"""The deadline is pushed out so often in its time: two messages may be lost."""


def has_one(core: Core, account: Account) -> bool:
    """Whether the account's venue has a switch."""
    venue = core.state.venues.get(venue_of(account.id))
    return venue is not None and venue.caps.dead_man


def would_strip(core: Core, account: Account) -> bool:
    """Whether cancelling everything would take a position's protection away."""
    ours = any(o.guards for slot in by_key(core.state.slots, account.id) for o in slot.orders.values())
    return ours or any(account.strangers.values())


def begin(core: Core) -> None:
    """An account has agreed with its venue: from now on the venue is to watch over it."""
    if core.state.settings.execution.dead_man_ns:
        core.set_timer_once("deadman", core.state.ts_ns)


def push_out(core: Core) -> None:
    """Timer: set every switch to its next deadline, or off where it would strip a protection."""
    span_ns = core.state.settings.execution.dead_man_ns
    if not span_ns:
        return
    for account in core.state.accounts.values():
        if not has_one(core, account):
            continue
        if would_strip(core, account):
            disarm(core, account)
        elif account.reconciled:
            account.dead_man_ns = core.state.ts_ns + span_ns
            core.emit(ArmDeadMan(account=account.id, deadline_ns=account.dead_man_ns))
    core.set_timer("deadman", core.state.ts_ns + span_ns // ARMS_PER_SPAN)


def disarm(core: Core, account: Account) -> None:
    """Switch it off; said again until its last deadline is over, because one message may be lost."""
    if account.dead_man_ns > core.state.ts_ns:
        core.emit(ArmDeadMan(account=account.id, deadline_ns=0))
    else:
        account.dead_man_ns = 0


def apply_settings(core: Core) -> None:
    """Begin to arm, or disarm for good, as the settings now say."""
    begin(core)
    if core.state.settings.execution.dead_man_ns:
        return
    core.drop_timer("deadman")
    for account in core.state.accounts.values():
        disarm(core, account)
        account.dead_man_ns = 0


def may_have_fired(core: Core, account: Account, venue_ts_ns: int, *, said: bool = False) -> None:
    """An order is gone that nobody here cancelled: after the deadline, that was the switch, which is told once."""
    if account.dead_man_ns and (said or venue_ts_ns >= account.dead_man_ns):
        account.dead_man_ns = 0
        core.alert(
            Severity.CRITICAL,
            "dead_man",
            f"{account.id}: the venue's dead-man's switch has fired: it did not hear from this engine in time and "
            "cancelled every order, stops included. What is still wanted is placed again; look at /positions and "
            "/orders, and at the connection.",
            account=account.id,
        )
