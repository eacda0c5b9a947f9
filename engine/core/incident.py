"""The emergency, step by step: opened by a breach, acknowledged, reconciled, resumed; no step can be skipped.

`open_` is called by whatever stopped trading, after it has done so. One incident is open at a time: what else breaks
meanwhile belongs to it, and makes people acknowledge again. Halts by a person open none: nothing has gone wrong.

    breach      open_       everybody is told at once, and of what was done and is left some seconds later
    ack         a person    the damage report is written down
    recover     role risk   every account is compared with its venue; then HALTED becomes REDUCING,
                            unless a person's own /halt stands: that is the quorum's to lift
    /resume     the quorum  refused before that; it closes the incident
"""

from __future__ import annotations

from decimal import Decimal

from domain.account import Account, venue_of
from domain.facts import Severity, TradingState
from domain.incident import Incident, Stage, Step
from domain.order import OrderStatus
from domain.settings import SECOND_NS
from domain.verdict import Reason, Veto
from engine.core import trading
from engine.core.core import Core
from engine.core.samples import portfolio_equity

REMEMBERED = 20
MOST_STEPS = 100
"""From here on what breaks is written down once per kind."""
FOLLOW_UP_NS = 5 * SECOND_NS
"""When people hear what was done and what is left: what closes positions has had its first answers by then."""
BREACH, ALSO = "breach", "also"
_CENT = Decimal("0.01")
_NEXT = {
    Stage.OPEN: "Next: somebody looks after it and says so: /incident ack.",
    Stage.ACKNOWLEDGED: "Next: compare with every venue: /incident recover.",
    Stage.RECONCILING: "Next: it goes on by itself when every venue has answered.",
    Stage.RECOVERED: "Next: /resume, which needs the quorum.",
    Stage.CLOSED: "It is over: /incident report.",
}
_MISSING = {
    Stage.OPEN: "nobody has acknowledged it (/incident ack), and it is not reconciled (/incident recover)",
    Stage.ACKNOWLEDGED: "it is acknowledged, but not reconciled with every venue (/incident recover)",
    Stage.RECONCILING: "the reconciliation is under way",
}


def current(core: Core) -> Incident | None:
    """The incident that is open, if there is one."""
    newest = next(reversed(core.state.incidents.values()), None)
    return newest if newest is not None and newest.stage is not Stage.CLOSED else None


def open_(core: Core, kind: str, text: str, by: str = "engine", venue: str = "") -> Incident:
    """A breach has been dealt with as far as the engine can: from here on it is an incident. Everybody is told.

    With a `venue` it holds that one back alone, until something else breaks too.
    """
    state = core.state
    incident = current(core)
    if incident is not None:
        incident.venue = venue if venue == incident.venue else ""
        return go_on(core, incident, kind, text, by)
    state.incidents_made += 1
    name = f"I{state.incidents_made}"
    equity = portfolio_equity(core)
    incident = Incident(id=name, kind=kind, text=text, seq=state.seq, ts_ns=state.ts_ns, equity=equity, venue=venue)
    state.incidents[name] = incident
    while len(state.incidents) > REMEMBERED:
        del state.incidents[next(iter(state.incidents))]
    note(core, incident, BREACH, by, f"{kind}: {text}")
    now = trading_words(core, incident)
    tell(core, incident, Severity.CRITICAL, f"{name} ({kind}): {text} {now} {_NEXT[Stage.OPEN]}")
    core.set_timer(f"incident:{name}", state.ts_ns + FOLLOW_UP_NS)
    return incident


def go_on(core: Core, incident: Incident, kind: str, text: str, by: str) -> Incident:
    """Something else broke while an incident is open; what is the same again says nothing new.

    Once all steps are taken, only so much is known of what broke already: another of its kind counts as the same.
    """
    said, is_full = f"{kind}: {text}", len(incident.steps) >= MOST_STEPS
    broke = [step.text for step in incident.steps if step.what in {BREACH, ALSO}]
    is_known = any(before.startswith(f"{kind}: ") if is_full else before == said for before in broke)
    if incident.stage is Stage.OPEN and is_known:
        return incident
    was, incident.stage = incident.stage, Stage.OPEN
    if not (is_full and is_known):
        note(core, incident, ALSO, by, said)
    severity = Severity.ERROR if was is Stage.OPEN else Severity.CRITICAL
    tell(core, incident, severity, f"{incident.id} goes on ({kind}): {text} {_NEXT[Stage.OPEN]}")
    incident.told = False
    core.set_timer_once(f"incident:{incident.id}", core.state.ts_ns + FOLLOW_UP_NS)
    return incident


def note(core: Core, incident: Incident, what: str, by: str, text: str = "") -> None:
    """Write a step down: what breakers did, and what people do."""
    incident.steps.append(Step(seq=core.state.seq, ts_ns=core.state.ts_ns, what=what, by=by, text=text))


def tell(core: Core, incident: Incident, severity: Severity, text: str) -> None:
    """To everybody who must know: alerts of this kind go to every channel, and to each person alone."""
    core.alert(severity, "incident", text, incident=incident.id)


def on_due(core: Core, name: str) -> None:
    """Timer: say what was done at once, and what is left."""
    incident = core.state.incidents.get(name)
    if incident is None or incident.told or incident.stage is Stage.CLOSED:
        return
    incident.told = True
    left = "; ".join(damage(core, incident))
    now = trading_words(core, incident)
    tell(core, incident, Severity.ERROR, f"{name}: {now} {left}. {_NEXT[incident.stage]}")


def trading_words(core: Core, incident: Incident) -> str:
    """What trading is allowed now, where the incident holds it back."""
    if not incident.venue:
        return f"Trading is {core.state.trading.upper()}."
    return f"{incident.venue} is {trading.venues_of(core).get(incident.venue, core.state.trading).upper()}."


def on_started(core: Core) -> None:
    """A new run: what was not told yet will be."""
    incident = current(core)
    if incident is not None and not incident.told:
        core.set_timer(f"incident:{incident.id}", core.state.ts_ns + FOLLOW_UP_NS)


# the damage


def damage(core: Core, incident: Incident) -> tuple[str, ...]:
    """What is held, what it has cost since the breach, and what is not known for sure; a line each."""
    equity = portfolio_equity(core)
    change = equity - incident.equity
    lines = [f"equity {money(equity)}, {'+' if change >= 0 else ''}{money(change)} since the breach"]
    lines += held(core) or ["no position is held"]
    doubtful, working = [], 0
    for slot in core.state.slots.values():
        for order in slot.orders.values():
            if order.status in {OrderStatus.UNKNOWN, OrderStatus.PENDING} or order.cancel_ns:
                what = "its cancel is not confirmed" if order.cancel_ns else "its answer never came"
                doubtful.append(f"order {order.cid} of {slot.instrument} is in doubt: {what}")
            else:
                working += 1
    lines += doubtful or ["no order is in doubt"]
    if working:
        lines.append(f"{working} order(s) rest, which protect or are still wanted")
    return (*lines, *unsure(core))


def held(core: Core) -> list[str]:
    """Every position, with its worth and what it would lose or earn now."""
    lines = []
    for account in core.state.accounts.values():
        for name, position in account.positions.items():
            if not position.qty:
                continue
            instrument, price = core.instruments[name], core.markets[name].reference()
            worth, unrealised = instrument.notional(price, position.qty), position.unrealised(instrument, price)
            qty = instrument.qty_text(position.qty)
            lines.append(f"{account.id} holds {qty} {name}, worth {money(worth)}, {money(unrealised)} unrealised")
    return lines


def unsure(core: Core) -> list[str]:
    """Accounts that are not compared with their venue, and venues that are held back."""
    lines = [f"{a.id} is not reconciled with its venue" for a in core.state.accounts.values() if not a.reconciled]
    held_back = (name for name, record in core.state.venues.items() if record.latched is not TradingState.ACTIVE)
    return [*lines, *(f"held back: {trading.why_venue(core, name)}" for name in held_back)]


def money(value: Decimal) -> str:
    """An amount with cents."""
    return f"{value.quantize(_CENT)}"


def next_step(incident: Incident) -> str:
    """What people have to do now."""
    return _NEXT[incident.stage]


# what people do


def objection(core: Core, venue: str) -> Veto | None:
    """Why trading cannot be resumed yet, everywhere or at one venue: which steps of the open incident are missing."""
    incident = current(core)
    if incident is None or incident.stage is Stage.RECOVERED:
        return None
    if venue and incident.venue not in {"", venue}:
        return None
    return Veto(Reason.INCIDENT, f"{incident.id} ({incident.kind}): {_MISSING[incident.stage]}")


def no_incident(core: Core, name: str) -> Incident | Veto:
    """The open incident, if it is the one that is meant ("" = whichever it is)."""
    incident = current(core)
    if incident is None:
        return Veto(Reason.NO_SUCH, "no incident is open")
    if name and name != incident.id:
        return Veto(Reason.NO_SUCH, f"{name} is not open; {incident.id} is")
    return incident


def acknowledge(core: Core, who: str, name: str, text: str) -> Veto | str:
    """A person looks after it: the damage is written down, and everybody sees who."""
    incident = no_incident(core, name)
    if isinstance(incident, Veto):
        return incident
    if incident.stage is not Stage.OPEN:
        by = next(step.by for step in reversed(incident.steps) if step.what == Stage.ACKNOWLEDGED)
        return Veto(Reason.WRONG_STATE, f"{by} has acknowledged {incident.id}. {_NEXT[incident.stage]}")
    incident.stage = Stage.ACKNOWLEDGED
    incident.damage = damage(core, incident)
    note(core, incident, Stage.ACKNOWLEDGED, who, text)
    report = "; ".join(incident.damage)
    tell(core, incident, Severity.WARNING, f"{incident.id}: {who} looks after it. Damage: {report}.")
    core.alert(Severity.INFO, "incident_taken", f"{who} looks after {incident.id}.", incident=incident.id, by=who)
    return f"{incident.id} is acknowledged by {who}. Damage: {report}. {_NEXT[incident.stage]}"


def may_recover(core: Core, name: str) -> Incident | Veto:
    """The incident that can be reconciled now, or why not."""
    incident = no_incident(core, name)
    if isinstance(incident, Veto):
        return incident
    if incident.stage is Stage.OPEN:
        return Veto(Reason.INCIDENT, f"{incident.id}: nobody has acknowledged it yet (/incident ack)")
    if incident.stage is Stage.RECOVERED:
        return Veto(Reason.WRONG_STATE, f"{incident.id} is reconciled. {_NEXT[Stage.RECOVERED]}")
    return incident


def begin_recovery(core: Core, incident: Incident, who: str) -> str:
    """Every account is compared anew; a venue that is down is not waited for, and stays REDUCING by itself."""
    incident.stage = Stage.RECONCILING
    incident.latch = core.state.latched_by, core.state.latched_reason
    note(core, incident, Stage.RECONCILING, who)
    found = concerned(core, incident)
    for account in found:
        account.reconciled = False
    trading.settle(core)
    names = ", ".join(account.id for account in found)
    return f"{incident.id}: {names} is compared with the venue. {_NEXT[Stage.RECONCILING]}"


def concerned(core: Core, incident: Incident) -> list[Account]:
    """The accounts that an incident is about."""
    return [a for a in core.state.accounts.values() if incident.venue in {"", venue_of(a.id)}]


def on_reconciled(core: Core) -> None:
    """An account was compared, or its venue went down: when it was the last one, trading starts again in REDUCING."""
    incident = current(core)
    if incident is None or incident.stage is not Stage.RECONCILING:
        return
    accounts = concerned(core, incident)
    if not all(account.reconciled or trading.is_down(core, account.id) for account in accounts):
        return
    incident.stage = Stage.RECOVERED
    out = sorted({venue_of(account.id) for account in accounts if not account.reconciled})
    note(core, incident, Stage.RECOVERED, "engine", f"without {', '.join(out)}, which is down" if out else "")
    is_theirs = core.state.halted_by  # no one person takes back what another has halted
    is_same = incident.latch == (core.state.latched_by, core.state.latched_reason)
    if core.state.latched is TradingState.HALTED and is_same and not is_theirs and not incident.venue:
        trading.latch(core, TradingState.REDUCING, "engine", f"{incident.id} is reconciled and waits for a resume")
    if not is_held(core, incident):
        close(core, "engine")
        return
    tell(core, incident, Severity.WARNING, f"{incident.id}: the books are the venues'. {_NEXT[Stage.RECOVERED]}")


def is_held(core: Core, incident: Incident) -> bool:
    """Whether anything that an incident holds back waits for a resume."""
    venues = [record for name, record in core.state.venues.items() if incident.venue in {"", name}]
    return core.state.latched is not TradingState.ACTIVE or any(v.latched is not TradingState.ACTIVE for v in venues)


def close(core: Core, by: str) -> None:
    """After a resume: when nothing is held back any more, the incident is over and its report can be written."""
    incident = current(core)
    if incident is None or incident.stage is not Stage.RECOVERED or is_held(core, incident):
        return
    incident.stage = Stage.CLOSED
    incident.closed_seq, incident.closed_ns = core.state.seq, core.state.ts_ns
    note(core, incident, Stage.CLOSED, by)
    core.drop_timer(f"incident:{incident.id}")
    lasted_s = (incident.closed_ns - incident.ts_ns) / SECOND_NS
    text = f"{incident.id} is over after {lasted_s:.0f} s, resumed by {by}. /incident report {incident.id} tells all."
    tell(core, incident, Severity.WARNING, text)
    core.alert(Severity.INFO, "incident_over", f"{incident.id} is over.", incident=incident.id)
