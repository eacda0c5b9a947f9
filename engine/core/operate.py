"""What a person's command does to the state: overrides and limits, never orders.

Operators do not fight the executor: they halt, flatten, hold and cap, and the executor obeys.
"""

from __future__ import annotations

from decimal import Decimal

from domain import commands as c
from domain.account import Account, venue_of
from domain.desired import NOTHING, Style
from domain.errors import Unrepresentable
from domain.facts import StrategyStatus, TradingState
from domain.settings import Settings, StrategySpec
from domain.text import plain
from domain.verdict import REASONS, Reason, Veto
from engine.core import (
    deadman,
    failover,
    incident,
    limits,
    overrides,
    params,
    people,
    requests,
    review,
    succession,
    trading,
)
from engine.core.core import Core
from engine.core.executor import converge, converge_all
from engine.core.executor.place import cancel, check_band
from engine.core.executor.targets import towards_zero
from engine.core.matrix import by_hand, unwatched
from engine.core.matrix.table import settings_problem
from engine.core.state import MANUAL, Parked, Slot, StrategyState
from risk.approvals import unreachable
from risk.gate import Exposure, adds_risk, check_exposure

MOST_MONEY = Decimal("1e15")
"""More than anybody means."""


def halt(core: Core, who: str, reason: str) -> str:
    """HALTED at once: quotes and entries are cancelled, protections stay."""
    before = working(core)
    core.state.halted_by = who
    trading.latch(core, TradingState.HALTED, who, reason or f"halted by {who}")
    left = sum(1 for slot in core.state.slots.values() for o in slot.orders.values() if not o.cancel_ns)
    return (
        f"HALTED. {before - left} order(s) are being cancelled, {left} protective order(s) stay. "
        "Positions stay as they are; /flatten closes them, /resume needs the quorum."
    )


def working(core: Core) -> int:
    """Number of working orders."""
    return len(core.state.where)


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


def cancel_order(core: Core, cid: str) -> Veto | str:
    """Cancel one order and hold its slot, so that the executor does not put it back."""
    found = core.order(cid)
    if found is None:
        return Veto(Reason.NO_SUCH, f"no working order {cid}")
    slot, order = found
    slot.hold = True
    cancel(core, slot, order)
    converge(core, slot)
    return f"Cancelling {cid}. {slot.instrument} on {slot.account} is on hold; /hold {slot.instrument} off releases it."


def find_slot(core: Core, account: str, instrument: str) -> Slot | Veto:
    """The slot a command names."""
    if account not in core.state.accounts:
        return Veto(Reason.NO_SUCH, f"account {account}")
    if instrument not in core.instruments:
        return Veto(Reason.NO_SUCH, f"instrument {instrument}")
    if venue_of(account) != core.instruments[instrument].venue:
        return Veto(Reason.BAD_VALUE, f"{instrument} cannot be traded on {account}: another venue")
    return core.slot(account, instrument)


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
    return check_band(market) or check_exposure(config, instrument, side, abs(gap), market.reference(), held)


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


def manual(core: Core, who: str, command: c.ManualTarget) -> Veto | str:  # noqa: PLR0911 - one per refusal
    """A person's order: the built-in strategy `manual` wants that much more of an instrument."""
    slot = find_slot(core, command.account, command.instrument)
    if isinstance(slot, Veto):
        return slot
    owner = manual_id(command.account, command.instrument)
    if slot.owner and slot.owner != owner and slot.owner in core.state.strategies:
        return Veto(Reason.NOT_OWNER, f"{slot.owner} owns {command.instrument} on {command.account}; use a sub-account")
    if slot.parked:
        return Veto(Reason.WRONG_STATE, f"{slot.parked} waits for votes; /approve or /deny it first")
    instrument = core.instruments[command.instrument]
    try:
        qty = instrument.qty(command.qty)
    except Unrepresentable as error:
        return Veto(Reason.BAD_VALUE, str(error))
    if not core.markets[command.instrument].reference():
        return Veto(Reason.PRICE_UNKNOWN)
    base = slot.target if slot.target is not None else core.position(slot.account, slot.instrument)
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
        case c.StartStrategy() if command.strategy not in core.state.strategies:
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
