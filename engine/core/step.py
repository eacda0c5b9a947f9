"""`step(core, event)`: the one place where anything changes. Synchronous, deterministic, total.

Live, paper, backtest, simulation and replay run this same function; only the drivers differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain import events as e
from domain import market as m
from domain.account import venue_of
from domain.breakers import BreachSource, Measured
from domain.facts import Severity, TradingState
from domain.files import SettingsFileRead, StrategyFileBroken, StrategyFileChanged
from domain.keys import KeyExpires, KeyOld, KeyStep, SignerNews, VaultAccessed, VaultTrouble
from domain.security import AccessNoted, CodeMissed, PressRefused, SecurityBreach
from domain.venue import BudgetLeft
from engine.core import (
    amendments,
    breakers,
    budgets,
    commands,
    config,
    contracts,
    deadman,
    failover,
    glass,
    incident,
    inflight,
    keys,
    markets,
    operate,
    orders,
    overrides,
    people,
    portfolio,
    reconcile,
    requests,
    review,
    strategies,
    strategy_files,
    trading,
)
from engine.core.core import Core
from engine.core.executor import converge, converge_venue, resting
from engine.core.executor.place import cancel
from engine.core.matrix import machine, money
from engine.core.state import NEVER


def step(core: Core, event: e.Event) -> None:
    """Apply one stamped event; effects are left in `core.intents`, `core.facts` and `core.decisions`.

    `event.seq` and `event.ts_ns` must be set and must not go backwards.
    """
    state = core.state
    state.seq = event.seq
    state.ts_ns = event.ts_ns
    state.orders_placed = 0
    core.calls = 0
    HANDLERS[type(event)](core, event)


def on_engine_started(core: Core, event: e.EngineStarted) -> None:
    """A run begins: identity, epoch, settings; then every account is asked for the truth."""
    state = core.state
    if not state.installation:
        state.installation = event.installation
    state.epoch = event.epoch
    state.build = event.build
    if event.settings is not None:
        state.settings = event.settings
        state.settings_hash = event.settings_hash
        core.refresh()
    operate.open_accounts(core)
    core.recount()
    state.timers.clear()
    core.wake_ns = 0
    for part in (requests, glass):
        part.on_started(core)
    for slot in state.slots.values():
        slot.retry_ns = slot.reduce_retry_ns = 0
        resting.arm(core, slot)
    core.set_timer("equity", event.ts_ns + state.settings.execution.equity_sample_ns)
    state.starting = True
    for venue in state.venues.values():
        venue.down = False
    breakers.on_started(core)
    machine.on_started(core)
    strategies.reattach(core)
    strategies.await_history(core)
    reconcile.on_started(core)
    overrides.on_started(core)
    incident.on_started(core)
    failover.claim_all(core)
    if event.lost:
        on_lost_end(core, event.lost)


def on_lost_end(core: Core, lost: str) -> None:
    """What was lost may have held a halt, a hold or a vote, so people decide how to go on."""
    trading.latch(core, TradingState.HALTED, "recovery", f"the end of the journal was lost: {lost}")
    core.alert(
        Severity.CRITICAL,
        "journal_lost",
        f"The end of the journal was lost: {lost}. Trading is HALTED. Compare positions, holds and caps with what you "
        "remember and with the venue, then /resume.",
    )
    incident.open_(core, "journal_lost", f"the end of the journal was lost: {lost}.", "recovery")


def on_engine_stopped(core: Core, _event: e.EngineStopped) -> None:
    """A clean stop: nobody will look after quotes and entries, so they are cancelled; protections stay."""
    for slot in core.state.slots.values():
        slot.retry_ns = NEVER  # what is taken out now must not be placed again before the process is gone
        for order in list(slot.orders.values()):
            if not order.guards:
                cancel(core, slot, order)


def on_tick(core: Core, event: e.Tick) -> None:
    """Run every timer that is due, in order of time, then of name."""
    timers = core.state.timers
    due = sorted((at, name) for name, at in timers.items() if at <= event.ts_ns)
    for at, name in due:
        if timers.get(name) == at:
            core.drop_timer(name)
            run_timer(core, name)


def run_timer(core: Core, name: str) -> None:
    """What a timer's name means; what follows the colon is what it is about."""
    kind, _, of = name.partition(":")
    TIMERS[kind](core, of)


def retry(core: Core, key: str) -> None:
    """A slot may send again."""
    slot = core.state.slots.get(key)
    if slot is not None:
        converge(core, slot)


def on_equity_due(core: Core, _of: str) -> None:
    """Sample, then judge by it."""
    portfolio.sample_equity(core)
    money.judge(core)


TIMERS: dict[str, Callable[[Core, str], None]] = {
    "inflight": lambda core, _: inflight.check(core),
    "equity": on_equity_due,
    "retry": retry,
    "again": review.again,
    "resting": retry,
    "request": requests.expire,
    "remind": requests.remind,
    "override": overrides.on_due,
    "review": glass.on_due,
    "snapshot": reconcile.on_snapshot_due,
    "failover": failover.on_due,
    "breaker": breakers.on_cooled,
    "matrix": machine.on_due,
    "age": money.on_age,
    "deadman": lambda core, _: deadman.push_out(core),
    "incident": incident.on_due,
}


def on_clock_stepped(core: Core, event: e.ClockStepped) -> None:
    """The machine's clock was set; the engine's time only ever goes on."""
    if event.back_ns > 0:
        what = f"went back by {event.back_ns / 1e9:.3f} s; the engine's time goes on slowly until they are level"
    else:
        what = f"jumped ahead by {-event.back_ns / 1e9:.3f} s, or the machine slept"
    core.alert(Severity.WARNING, "clock", f"The machine's clock {what}. Check time sync (NTP).")


def on_overflow(core: Core, event: e.InboxOverflow) -> None:
    """The inbox was full: we cannot keep up, so we stop adding risk."""
    trading.latch(core, TradingState.HALTED, "engine", f"inbox overflow at {event.depth} events")
    core.alert(
        Severity.CRITICAL,
        "overflow",
        "The engine could not keep up with its events and is HALTED. Lower the market-data cadence or the number of "
        "strategies, then /resume.",
    )
    incident.open_(core, "overflow", f"the inbox overflowed at {event.depth} events.")


def on_disk_low(core: Core, event: e.DiskLow) -> None:
    """Before the disk is full it is said; when it is, what is left of it is kept for cancels, halts and flattening."""
    left = f"{event.free_mib} MiB are free" + (f", {event.days_left} day(s) of journal" if event.days_left >= 0 else "")
    if not event.is_full:
        core.alert(Severity.WARNING, "disk_low", f"The disk is filling up: {left}. Make room before it is full.")
        return
    trading.latch(core, TradingState.HALTED, "engine", "the disk is full")
    core.alert(
        Severity.CRITICAL,
        "disk_full",
        "The disk is full. Trading is HALTED; for some minutes the engine lives on in room kept back: commands and "
        "fills are still recorded, /flatten works. Make room now, then /resume; otherwise the engine stops.",
    )
    incident.open_(core, "disk_full", f"the disk is full: {left}.")


def on_venue_status(core: Core, event: e.VenueStatus) -> None:
    """The order connection went down or came back; after a gap every account of the venue is reconciled."""
    venue = core.venue(event.venue)
    was_down, venue.down = venue.down, not event.connected
    if not event.connected:
        core.alert(
            Severity.ERROR,
            "venue_down",
            f"{event.venue} is disconnected: {event.detail or 'no detail'}. Orders rest as they are; we reconnect.",
            venue=event.venue,
        )
        breakers.failed(core, event.venue, breakers.STREAM, f"disconnected: {event.detail or 'no detail'}")
        trading.settle(core)
        if core.legs:
            converge_venue(core, event.venue)
        incident.on_reconciled(core)
        return
    if was_down:
        core.alert(Severity.INFO, "venue_up", f"{event.venue} is connected again.", venue=event.venue)
    breakers.answered(core, event.venue, breakers.STREAM)
    for account in core.state.accounts.values():
        if venue_of(account.id) == event.venue:
            account.reconciled = False
            reconcile.request_snapshot(core, account.id)
    trading.settle(core)


def on_venue_opened(core: Core, event: e.VenueOpened) -> None:
    """What a venue can do, before it is used."""
    core.venue(event.venue).caps = event.caps


def on_watchdog_acted(core: Core, event: e.WatchdogActed) -> None:
    """An earlier run died with orders at the venues and the watchdog acted for it: people look before risk is added."""
    state = TradingState.HALTED if event.flattened or event.halted else TradingState.REDUCING
    what, by = watchdog_words(event)
    if core.state.latched is not TradingState.HALTED:
        trading.latch(core, state, by, f"{what}: {event.text}")
    core.alert(
        Severity.CRITICAL,
        "watchdog",
        f"{what[:1].upper()}{what[1:]}, and was acted for: {event.text}. "
        f"Trading is {core.state.latched.upper()}. Look at /positions, /orders and the venue, then /resume.",
    )
    incident.open_(core, "watchdog", f"{what}: {event.text}.", by)


def watchdog_words(event: e.WatchdogActed) -> tuple[str, str]:
    """What happened to the run, and who acted."""
    if event.halted:
        return f"run {event.epoch} did not answer", event.by or "watchdog"
    return f"the heartbeat of run {event.epoch} died", "watchdog"


def on_security_breach(core: Core, event: SecurityBreach) -> None:
    """Something was forged: people look at once, and the breaker counts; a login that failed may be a slip."""
    severity = Severity.WARNING if event.kind is BreachSource.LOGIN else Severity.CRITICAL
    core.alert(severity, "security", f"{event.source}: {event.text}.", source=event.source)
    machine.on_breach(core, event)


def on_press_refused(core: Core, event: PressRefused) -> None:
    """A vote that did not count, for the record."""
    about = f" on {event.request}" if event.request else ""
    text = f"{event.source}, {event.who}{about}: {event.text}."
    core.alert(Severity.INFO, "press_refused", text, source=event.source, request=event.request)


def on_decided(core: Core, event: e.Decided) -> None:
    """Output records are not inputs: a replay reads them beside the event they belong to."""


HANDLERS: dict[type, Callable[[Core, Any], None]] = {
    m.Bar: markets.on_bar,
    m.Bbo: markets.on_bbo,
    m.Book: markets.on_book,
    m.Trade: markets.on_trade,
    m.Mark: markets.on_mark,
    m.FeedStatus: markets.on_feed_status,
    e.EngineStarted: on_engine_started,
    e.EngineStopped: on_engine_stopped,
    e.Tick: on_tick,
    e.ClockStepped: on_clock_stepped,
    e.CommandReceived: commands.on_command,
    e.History: strategies.on_history,
    e.StrategyFault: strategies.on_fault,
    StrategyFileBroken: strategy_files.on_broken,
    StrategyFileChanged: strategy_files.on_changed,
    e.ContractsRead: contracts.on_contracts_read,
    e.InboxOverflow: on_overflow,
    e.DiskLow: on_disk_low,
    e.Accepted: orders.on_accepted,
    e.Rejected: orders.on_rejected,
    e.Filled: orders.on_filled,
    e.Cancelled: orders.on_cancelled,
    e.CancelRejected: orders.on_cancel_rejected,
    e.Amended: amendments.on_amended,
    e.AmendRejected: amendments.on_amend_rejected,
    e.OrderReport: orders.on_report,
    e.SendFailed: orders.on_not_sent,
    e.SendDropped: orders.on_not_sent,
    e.FundingPaid: portfolio.on_funding,
    e.VenueSnapshot: reconcile.on_snapshot,
    e.VenueStatus: on_venue_status,
    e.VenueOpened: on_venue_opened,
    e.WatchdogActed: on_watchdog_acted,
    e.VenueTrouble: breakers.on_trouble,
    BudgetLeft: budgets.on_budget_left,
    SecurityBreach: on_security_breach,
    PressRefused: on_press_refused,
    Measured: machine.on_measured,
    CodeMissed: people.on_code_missed,
    AccessNoted: people.on_access_noted,
    e.Decided: on_decided,
    SettingsFileRead: config.on_file_read,
    SignerNews: keys.on_signer_news,
    KeyExpires: keys.on_key_expires,
    VaultAccessed: keys.on_vault_accessed,
    VaultTrouble: keys.on_vault_trouble,
    KeyStep: keys.on_step,
    KeyOld: keys.on_old,
}
