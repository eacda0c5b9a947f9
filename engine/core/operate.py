"""What a person's command does to the state: overrides and limits, never orders.

Operators do not fight the executor: they halt, flatten, hold and cap, and the executor obeys.
"""

from __future__ import annotations

from decimal import Decimal

from domain import commands as c
from domain.account import Account, venue_of
from domain.errors import Unrepresentable
from domain.facts import TradingState
from domain.settings import Settings
from domain.text import plain
from domain.verdict import Reason, Veto
from engine.core import (
    deadman,
    failover,
    incident,
    overrides,
    params,
    people,
    requests,
    review,
    trading,
)
from engine.core.core import Core
from engine.core.executor import converge, converge_all
from engine.core.manual import find_slot
from engine.core.matrix import by_hand, unwatched
from engine.core.matrix.table import settings_problem
from engine.core.state import MANUAL
from risk.approvals import unreachable

MOST_MONEY = Decimal("1e15")
"""More than anybody means."""


def halt(core: Core, who: str, reason: str) -> str:
    """HALTED at once: quotes and entries are cancelled, protections stay."""
    before = working(core)
    core.state.halted_by = who
    trading.latch(core, TradingState.HALTED, who, reason or f"halted by {who}")
    after = "Positions stay as they are; /flatten closes them, /resume takes the votes of others."
    return f"HALTED. {cancelled(before, resting(core))}. {after}"


def halt_venue(core: Core, who: str, command: c.Halt) -> Veto | str:
    """HALTED at one venue; the others trade on."""
    venue = command.venue
    if venue not in trading.venues_of(core):
        return Veto(Reason.NO_SUCH, f"venue {venue}; nothing was halted, /halt alone halts everything")
    before = working(core, venue)
    trading.latch_venue(core, venue, TradingState.HALTED, who, command.reason or f"halted by {who}")
    rest = "Everything else trades on: /halt stops that too."
    after = f"Positions stay as they are; /resume {venue} takes the votes of others."
    return f"{venue} is HALTED. {cancelled(before, resting(core, venue))}. {rest} {after}"


def cancelled(before: int, left: int) -> str:
    """How many orders a halt cancels, and how many stay."""
    gone = before - left
    words = f"{gone} order{' is' if gone == 1 else 's are'} being cancelled" if gone else "No order was working"
    stay = f", {left} protective order{' stays' if left == 1 else 's stay'}" if left else ""
    return f"{words}{stay}"


def working(core: Core, venue: str = "") -> int:
    """Number of working orders, at one venue or everywhere."""
    if not venue:
        return len(core.state.where)
    return sum(len(slot.orders) for slot in core.state.slots.values() if venue_of(slot.account) == venue)


def resting(core: Core, venue: str = "") -> int:
    """Number of those that nobody is cancelling."""
    slots = (slot for slot in core.state.slots.values() if venue in {"", venue_of(slot.account)})
    return sum(1 for slot in slots for order in slot.orders.values() if not order.cancel_ns)


def flatten(core: Core, who: str, command: c.Flatten, age_ns: int) -> Veto | str:
    """Halt, then close what is in scope with reduce-only orders; a stale one halts and asks.

    A slot whose orders may still fill is closed too: what they fill before their cancels arrive must not stay.
    """
    if command.scope and command.scope not in core.instruments:
        return Veto(Reason.NO_SUCH, f"instrument {command.scope}")
    trading.latch(core, TradingState.HALTED, who, command.reason or f"flatten by {who}")
    if age_ns > core.state.settings.execution.flatten_max_age_ns:
        return Veto(
            Reason.TOO_OLD, f"sent {age_ns // 1_000_000_000} s ago: trading is HALTED, send /flatten again to close"
        )
    closing, dust = 0, []
    for slot in core.state.slots.values():
        held = core.position(slot.account, slot.instrument)
        if command.scope in {"", slot.instrument} and (held or slot.orders):
            slot.flat = True
            slot.retry_ns = slot.reduce_retry_ns = 0
            converge(core, slot)
            if 0 < abs(held) < max(core.instruments[slot.instrument].min_qty, core.instruments[slot.instrument].lot):
                dust.append(f"{core.instruments[slot.instrument].qty_text(held)} {slot.instrument}")
            else:
                closing += held != 0
    left = f" Too small for an order, stays: {', '.join(dust)}." if dust else ""
    what = command.scope or "everything"
    incident.open_(core, "flatten", f"{who} closes {what}: {command.reason or 'no reason given'}.", who)
    return f"HALTED and closing {closing} position(s) with reduce-only orders.{left} Watch /positions."


def lift_flats(core: Core) -> None:
    """After a resume the strategies decide again."""
    for slot in core.state.slots.values():
        if slot.flat:
            slot.flat = False
            slot.consumed = slot.entry
            if (pair := core.pairs.get(slot.key)) is not None:
                pair.primary.consumed = pair.primary.entry
            if slot.owner.startswith(MANUAL):
                slot.target = None
    converge_all(core)


def hold(core: Core, account: str, instrument: str) -> Veto | str:
    """Nothing new in a slot; quotes and entries are pulled, protections stay."""
    slot = find_slot(core, account, instrument)
    if isinstance(slot, Veto):
        return slot
    slot.hold = True
    converge(core, slot)
    return f"{instrument} on {account} is on hold."


def release_hold(core: Core, account: str, instrument: str) -> Veto | str:
    """Let the executor work for the slot again."""
    slot = find_slot(core, account, instrument)
    if isinstance(slot, Veto):
        return slot
    slot.hold = False
    converge(core, slot)
    return f"{instrument} on {account} is released."


def cap_is_lower(core: Core, command: c.SetCap) -> bool:
    """True when a cap only lowers risk, so that nobody has to agree."""
    slot = find_slot(core, command.account, command.instrument)
    if isinstance(slot, Veto) or command.qty is None:
        return False
    try:
        qty = core.instruments[command.instrument].qty(command.qty)
    except Unrepresentable:
        return False
    return qty >= 0 and (slot.cap is None or qty <= slot.cap)


def cap(core: Core, command: c.SetCap) -> Veto | str:
    """Cap |position| of a slot, or lift the cap."""
    slot = find_slot(core, command.account, command.instrument)
    if isinstance(slot, Veto):
        return slot
    if command.qty is None:
        slot.cap = None
    else:
        try:
            slot.cap = abs(core.instruments[command.instrument].qty(command.qty))
        except Unrepresentable as error:
            return Veto(Reason.BAD_VALUE, str(error))
    converge(core, slot)
    capped = f"capped at {command.qty}" if command.qty is not None else "not capped any more"
    return f"{command.instrument} on {command.account} is {capped}."


def raise_envelope(core: Core, command: c.RaiseEnvelope) -> Veto | str:
    """Set what a strategy's quotes and takes may add, in notional."""
    strategy = core.state.strategies.get(command.strategy)
    if strategy is None:
        return Veto(Reason.NO_SUCH, f"strategy {command.strategy}")
    strategy.envelope = command.notional
    review.review(core, strategy)
    return f"{command.strategy} may now add up to {command.notional}."


def apply_settings(core: Core, command: c.ApplySettings) -> str:
    """Replace the settings; loaded strategies stay as they are, a new account is opened at the next start."""
    take_settings(core, command.settings, command.content_hash)
    opened = ", ".join(spec.id for spec in command.settings.accounts if spec.id not in core.state.accounts)
    later = f" Accounts that open at the next start: {opened}." if opened else ""
    return f"Settings {command.content_hash[:8]} are in force.{later}"


def take_settings(core: Core, settings: Settings, content_hash: str) -> None:
    """Other settings are in force, and everything follows them."""
    persons = core.state.settings.persons
    core.state.settings, core.state.settings_hash = settings, content_hash
    core.refresh()
    people.take_over(core, persons)
    requests.drop_votes(core)
    failover.claim_all(core)
    deadman.apply_settings(core)
    overrides.on_settings(core)
    unwatched.take_back(core)
    converge_all(core)


def open_accounts(core: Core) -> None:
    """Make the accounts that the settings name; one that is new has to be reconciled first."""
    for spec in core.state.settings.accounts:
        if spec.id not in core.state.accounts:
            core.state.accounts[spec.id] = Account(id=spec.id, currency=spec.currency)


def objection(core: Core, command: c.Command) -> Veto | None:  # noqa: PLR0911 - one per command
    """Why a command makes no sense now, before anyone is asked to vote on it."""
    match command:
        case c.Resume():
            return nothing_to_resume(core, command.venue) or incident.objection(core, command.venue)
        case c.SetHold() | c.SetCap():
            slot = find_slot(core, command.account, command.instrument)
            if isinstance(slot, Veto) or isinstance(command, c.SetHold) or command.qty is None:
                return slot if isinstance(slot, Veto) else None
            return bad_cap(core, command.instrument, command.qty)
        case c.ApplySettings():
            return settings_objection(core, command.settings)
        case c.SetBreaker():
            return by_hand.objection(core, command.name)
        case c.SetParams():
            return params.moved(core, command)
        case c.LoadStrategy() if command.spec.id in core.state.strategies:
            return Veto(Reason.WRONG_STATE, f"{command.spec.id} is loaded already")
        case c.StartStrategy() | c.ReloadStrategy() if command.strategy not in core.state.strategies:
            return Veto(Reason.NO_SUCH, f"strategy {command.strategy}")
        case c.Override():
            return overrides.objection(core, command)
        case c.RaiseEnvelope() if command.strategy not in core.state.strategies:
            return Veto(Reason.NO_SUCH, f"strategy {command.strategy}")
        case c.RaiseEnvelope() if not (command.notional.is_finite() and 0 <= command.notional <= MOST_MONEY):
            return Veto(Reason.BAD_VALUE, f"{plain(command.notional, 40)} is no amount from 0 to {MOST_MONEY}")
        case _:
            return None


def nothing_to_resume(core: Core, venue: str) -> Veto | None:
    """Why there is nothing that a resume would lift; a start that waits for one venue can go on without it."""
    state = core.state
    held = [name for name, record in state.venues.items() if record.latched is not TradingState.ACTIVE]
    if venue:
        if venue not in trading.venues_of(core):
            return Veto(Reason.NO_SUCH, f"venue {venue}; there is {', '.join(trading.venues_of(core))}")
        return None if venue in held else Veto(Reason.WRONG_STATE, f"{venue} is not held back by itself")
    waits = state.starting and TradingState.ACTIVE in trading.venues_of(core).values()
    if held or waits or state.latched is not TradingState.ACTIVE:
        return None
    return Veto(Reason.WRONG_STATE, f"trading is {state.trading} already")


def describe_resume(core: Core, venue: str) -> str:
    """What a resume lifts, each with why it was held back."""
    state = core.state
    held = [trading.why_venue(core, name) for name, r in state.venues.items() if r.latched is not TradingState.ACTIVE]
    if venue:
        return f"resume {venue} (held back: {trading.why_venue(core, venue).removeprefix(f'{venue}: ')})"
    also = f"; and {'; '.join(held)}" if held and state.latched is not TradingState.ACTIVE else ""
    return f"resume trading (now {state.trading}: {trading.why(core)[1]}{also})"


def bad_cap(core: Core, instrument: str, qty: Decimal) -> Veto | None:
    """Why a quantity is no cap."""
    try:
        number = core.instruments[instrument].qty(qty)
    except Unrepresentable as error:
        return Veto(Reason.BAD_VALUE, str(error))
    return Veto(Reason.BAD_VALUE, f"a cap of {qty} is below zero") if number < 0 else None


def settings_objection(core: Core, settings: Settings) -> Veto | None:
    """Settings must keep the contracts and accounts that orders, positions and strategies rest on."""
    if core.state.settings.environment is not settings.environment:
        own = core.state.settings.environment
        return Veto(Reason.WRONG_STATE, f"this data folder is for {own}; {settings.environment} has one of its own")
    if core.state.settings == settings:
        return Veto(Reason.WRONG_STATE, "these settings are in force already")
    if found := unreachable(settings.persons, settings.approvals):
        return Veto(Reason.QUORUM_UNREACHABLE, "; ".join(f"approvals.{key}: {text}" for key, text in found))
    contracts = {i.id: i for i in settings.instruments}
    refusal = people.shared_account(settings.persons) or failover.objection(core, settings)
    if refusal is not None:
        return refusal
    if problem := settings_problem(settings.breakers):
        return Veto(Reason.BAD_VALUE, problem)
    account_ids = {a.id for a in settings.accounts}
    for slot in core.state.slots.values():
        if not (slot.orders or slot.owner or core.position(slot.account, slot.instrument)):
            continue
        now, then = core.instruments[slot.instrument], contracts.get(slot.instrument)
        if then is None or slot.account not in account_ids:
            return Veto(Reason.WRONG_STATE, f"{slot.instrument} on {slot.account} is in use and cannot be taken out")
        if (now.price_scale, now.qty_scale, now.multiplier) != (then.price_scale, then.qty_scale, then.multiplier):
            return Veto(Reason.WRONG_STATE, f"{slot.instrument} is in use; its scales and multiplier cannot change")
    return None
