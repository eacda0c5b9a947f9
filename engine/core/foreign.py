"""Events that this build must not step: of another build, or behind a hole in the record.

What people and venues said in them is kept; what followed from it inside the core is not guessed. Where it cannot be
known whether risk was given back (a vote on a request that was opened in these events), it was not: people ask again.
The venue says the rest, and trading starts latched at REDUCING.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from domain import commands as c
from domain import events as e
from domain.account import Account
from domain.desired import NOTHING
from domain.facts import TradingState
from domain.instrument import ZERO
from domain.keys import VaultAccessed, VaultTrouble
from domain.market import Bar, Bbo, Book, Mark, Trade
from domain.order import PROTECTIVE, run_of_client_id
from domain.security import CodeMissed, SecurityBreach
from engine.core import asking, commands, config, incident, keys, operate, people, portfolio, requests, samples
from engine.core.contracts import take_over
from engine.core.core import Core
from engine.core.foreign_strategies import change_strategy, load, manual, quarantine
from engine.core.foreign_votes import (
    approve,
    ask_again,
    break_glass,
    deny,
    end_override,
    halt,
    halt_venue,
    resume,
    reviewed,
    set_cap,
    take_settings,
)
from engine.core.manual import find_slot
from engine.core.matrix import by_hand, machine
from engine.core.orders import consumed_by
from engine.core.state import Slot

REQUESTS_SKIPPED = 1_000
"""Requests opened in foreign events are forgotten; their numbers must not come to mean something else."""


def keep_books(core: Core, event: e.Event, decisions: Sequence[e.Decided] = ()) -> None:
    """Keep identity, prices, fills and funding, what people decided, and what strategies wanted last."""
    state = core.state
    state.seq, state.ts_ns = event.seq, max(event.ts_ns, state.ts_ns)
    if state.day:
        portfolio.roll_day(core)
    handler = EVENTS.get(type(event))
    if handler is not None:
        handler(core, event)
    for decided in decisions:
        strategy = state.strategies.get(decided.strategy)
        if strategy is not None and decided.fault:
            quarantine(core, strategy, decided.fault)
        elif strategy is not None and decided.desired is not None:
            strategy.desired = decided.desired


def on_command(core: Core, event: e.CommandReceived) -> None:
    """What a command leaves behind, if its person had the role and it is no repetition."""
    if commands.is_repeated(core, event) or commands.authorise(core, event) is not None:
        return
    if isinstance(event.command, c.Flatten):
        flatten(core, event.actor.person, event.command, asking.age_of(event))
        return
    who = event.actor.person or event.actor.door.value
    earlier = requests.waiting_alike(core, who, event.command)
    if earlier is not None and earlier.command != event.command:
        requests.withdraw(core, earlier.id, f"{who} asked for something else")
    if isinstance(event.command, c.Approve):
        approve(core, who, event.command, event.actor.door)
        return
    COMMANDS[type(event.command)](core, who, event.command)


def on_overflow(core: Core, event: e.InboxOverflow) -> None:
    """The engine could not keep up."""
    halt(core, "engine", "inbox overflow")
    incident.open_(core, "overflow", f"the inbox overflowed at {event.depth} events.")


def on_disk_low(core: Core, event: e.DiskLow) -> None:
    """The disk was full."""
    if event.is_full:
        halt(core, "engine", "the disk is full")
        incident.open_(core, "disk_full", "the disk is full.")


def on_watchdog_acted(core: Core, event: e.WatchdogActed) -> None:
    """The watchdog closed what was held; where it only cancelled, what every such start is latched at is enough."""
    if event.flattened or event.halted:
        halt(core, event.by or "watchdog", f"the heartbeat of run {event.epoch} died: {event.text}")
    incident.open_(core, "watchdog", f"the heartbeat of run {event.epoch} died: {event.text}.", "watchdog")


def on_fault(core: Core, event: e.StrategyFault) -> None:
    """A strategy that hung."""
    if event.quarantine and event.strategy in core.state.strategies:
        quarantine(core, core.state.strategies[event.strategy], event.problem)


def on_started(core: Core, event: e.EngineStarted) -> None:
    """Whose journal it is, which run, and under which settings."""
    state = core.state
    state.installation = state.installation or event.installation
    state.epoch = event.epoch
    if event.settings is not None:
        state.settings, state.settings_hash = event.settings, event.settings_hash
        core.refresh()
    for spec in state.settings.accounts:
        state.accounts.setdefault(spec.id, Account(id=spec.id, currency=spec.currency))
    if event.lost:
        halt(core, "recovery", f"the end of the journal was lost: {event.lost}")
        incident.open_(core, "journal_lost", f"the end of the journal was lost: {event.lost}.", "recovery")


def on_price(core: Core, event: Bbo | Book | Mark | Bar | Trade) -> None:
    """The market, so that a new day begins with the right equity."""
    market = core.markets.get(event.instrument)
    if market is None:
        return
    match event:
        case Bbo():
            market.bid, market.ask = event.bid, event.ask
        case Book():
            market.bid = event.bids[0][0] if event.bids else market.bid
            market.ask = event.asks[0][0] if event.asks else market.ask
        case Mark():
            market.mark = event.price
        case Trade():
            market.last = event.price
        case Bar():
            market.last = event.close


def on_snapshot(core: Core, event: e.VenueSnapshot) -> None:
    """Fills and funding that we missed; the first one says what money the account began with, and the day."""
    account = core.state.accounts.get(event.account)
    if account is None:
        return
    for fill in event.fills:
        fill.seq, fill.ts_ns = event.seq, event.ts_ns
        on_filled(core, fill)
    for payment in event.funding:
        portfolio.on_funding(core, payment)
    if not account.deposits:
        account.cash = ZERO
        samples.take_over_cash(core, account, event.cash)
        portfolio.roll_day(core)
        core.state.day_equity[account.id] = core.equity(account.id)


def on_filled(core: Core, event: e.Filled) -> None:
    """Book it; where a stop may have fired, its entry is consumed: the executor must not buy back what it sold."""
    is_ours = event.instrument in core.instruments and event.account in core.state.accounts
    if not is_ours or not portfolio.remember_fill(core, event):
        return
    slot = core.slot(event.account, event.instrument)
    is_reducing = core.position(event.account, event.instrument) * event.side < 0
    found = core.order(event.cid)
    order = found[1] if found is not None else core.state.closed.get(event.cid)
    portfolio.book_fill(core, slot, order, event)
    if order is not None:
        order.filled += event.qty
        if order.role in PROTECTIVE:
            slot.consumed = consumed_by(slot, order)
    elif is_reducing:
        slot.consumed = newest_entry(core, slot)


def newest_entry(core: Core, slot: Slot) -> str:
    """The entry that the owner wanted last, if its protection may have been what filled."""
    owner = core.state.strategies.get(slot.owner)
    desired = owner.desired if owner is not None else NOTHING
    if not (slot.stop or slot.take_profit or any(p.instrument == slot.instrument for p in desired.protections)):
        return slot.consumed
    return next((t.entry for t in desired.targets if t.instrument == slot.instrument and t.entry), slot.entry)


def on_halt(core: Core, who: str, command: c.Halt) -> None:
    """A person's halt, of everything or of one venue."""
    if command.venue:
        halt_venue(core, who, command)
        return
    halt(core, who, command.reason or f"halted by {who}")
    core.state.halted_by = who


def flatten(core: Core, who: str, command: c.Flatten, age_ns: int) -> None:
    """HALTED; what is in scope goes on being closed, unless the wish was too old."""
    if command.scope and command.scope not in core.instruments:
        return
    halt(core, who, command.reason or f"flatten by {who}")
    if age_ns > core.state.settings.execution.flatten_max_age_ns:
        return
    for slot in core.state.slots.values():
        if command.scope in {"", slot.instrument} and (slot.orders or core.position(slot.account, slot.instrument)):
            slot.flat = True
    incident.open_(core, "flatten", f"{who} closes {command.scope or 'everything'}.", who)


def acknowledge(core: Core, who: str, command: c.AcknowledgeIncident) -> None:
    """A person has said that they look after what is open."""
    incident.acknowledge(core, who, command.incident, command.text)


def hold(core: Core, _who: str, command: c.SetHold) -> None:
    """Nothing new in a slot; a release takes votes."""
    if not command.on:
        return
    slot = find_slot(core, command.account, command.instrument)
    if isinstance(slot, Slot):
        slot.hold = True


def hold_what_was_cancelled(core: Core, _who: str, command: c.CancelOrder) -> None:
    """A cancelled order's slot is on hold."""
    hold_slot_of(core, command.cid)


def hold_all_cancelled(core: Core, _who: str, command: c.CancelOrders) -> None:
    """As of one order, but those that only reduce were left."""
    for cid in command.cids:
        if (found := core.order(cid)) is None or not found[1].reduce_only:
            hold_slot_of(core, cid)


def hold_slot_of(core: Core, cid: str) -> None:
    """Hold the slot of an order; where the order is not known any more, every slot that has an owner."""
    order = found[1] if (found := core.order(cid)) is not None else core.state.closed.get(cid)
    if order is not None:
        core.slot(order.account, order.instrument).hold = True
    elif 0 < run_of_client_id(core.state.installation, cid)[1] < core.state.seq:
        for slot in core.state.slots.values():
            slot.hold = slot.hold or bool(slot.owner)


def cap(core: Core, _who: str, command: c.SetCap) -> None:
    """A cap that is lower; a higher one takes votes."""
    if operate.cap_is_lower(core, command):
        set_cap(core, command)


def lower_envelope(core: Core, _who: str, command: c.RaiseEnvelope) -> None:
    """What was asked for may have been agreed to, so the lower of both."""
    strategy = core.state.strategies.get(command.strategy)
    if strategy is not None and strategy.envelope is not None:
        strategy.envelope = min(strategy.envelope, command.notional)


def change_settings(core: Core, who: str, command: c.ChangeSettings) -> None:
    """What only lowered risk was in force at once."""
    change = config.resolved(core, command)
    if isinstance(change, c.ChangeSettings) and config.is_at_once(core, who, change):
        take_settings(core, change)


def open_breaker(core: Core, who: str, command: c.SetBreaker) -> None:
    """A breaker that was opened by hand; a release takes votes."""
    if command.open:
        by_hand.note_forced(core, who, command.name)


def on_breach(core: Core, event: SecurityBreach) -> None:
    """Where one breach of its kind is enough, trading waits for people."""
    if machine.note_breach(core, event):
        halt(core, "breaker security", f"{event.source}: {event.text}")


def about_alerts(_core: Core, _who: str, _command: c.Command) -> None:
    """Nothing about trading; the control room had heard of it, or a person says it again."""


def step_up(core: Core, who: str, command: c.StepUp) -> None:
    """The code was used."""
    people.use_code(core, who, command.step, needed=True)


COMMANDS: dict[type, Callable[[Core, str, Any], None]] = {
    c.Halt: on_halt,
    c.Resume: resume,
    c.Deny: deny,
    c.LoadStrategy: load,
    c.UnloadStrategy: change_strategy,
    c.StartStrategy: change_strategy,
    c.PauseStrategy: change_strategy,
    c.SetParams: change_strategy,
    c.ReloadStrategy: change_strategy,
    c.ManualTarget: manual,
    c.ManualLimit: manual,
    c.CancelOrder: hold_what_was_cancelled,
    c.SetHold: hold,
    c.SetCap: cap,
    c.RaiseEnvelope: lower_envelope,
    c.ApplySettings: ask_again,
    c.SetBreaker: open_breaker,
    c.Override: ask_again,
    c.EndOverride: end_override,
    c.BreakGlass: break_glass,
    c.Review: reviewed,
    c.AcknowledgeIncident: acknowledge,
    c.RecoverIncident: ask_again,
    c.ChangeSettings: change_settings,
    c.CancelOrders: hold_all_cancelled,
    c.AcknowledgeAlert: about_alerts,
    c.MuteAlerts: about_alerts,
    c.UnmuteAlerts: about_alerts,
    c.RouteAlerts: about_alerts,
    c.StepUp: step_up,
    c.RotateKey: ask_again,
}

EVENTS: dict[type, Callable[[Core, Any], None]] = {
    e.EngineStarted: on_started,
    e.CommandReceived: on_command,
    e.ContractsRead: take_over,
    e.InboxOverflow: on_overflow,
    e.DiskLow: on_disk_low,
    e.WatchdogActed: on_watchdog_acted,
    CodeMissed: people.on_code_missed,
    e.StrategyFault: on_fault,
    SecurityBreach: on_breach,
    VaultAccessed: keys.note_access,
    VaultTrouble: keys.note_trouble,
    e.Filled: on_filled,
    e.FundingPaid: portfolio.on_funding,
    e.VenueSnapshot: on_snapshot,
    Bbo: on_price,
    Book: on_price,
    Mark: on_price,
    Trade: on_price,
    Bar: on_price,
}


def finish(core: Core, reason: str) -> None:
    """The foreign events are over: trading waits for people, unless they had decided more."""
    state = core.state
    state.requests_made += REQUESTS_SKIPPED
    if state.latched is not TradingState.HALTED:
        state.latched, state.latched_by, state.latched_reason = TradingState.REDUCING, "recovery", reason
    core.index_slots()
