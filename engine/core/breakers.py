"""Connection breakers: one per venue and operation, fed by answers and by their absence.

    orders        Place, Amend or Cancel without an answer in time; what surely did not leave; VenueTrouble
    reads         a snapshot or query without an answer; VenueTrouble
    stream        the connection went down; VenueTrouble
    market_data   the feed went silent; VenueTrouble

While one is open nothing that adds risk goes to that venue; cancels, reductions, protections, queries and snapshots
always pass. Half open, an order is a part of its size, one at a time. The state machine is `risk.breaker`.
"""

from __future__ import annotations

import datetime as dt

from domain.account import VenueOperation, venue_of
from domain.breakers import BreakerRule
from domain.events import VenueTrouble
from domain.facts import Severity
from domain.instrument import AccountId, InstrumentId
from domain.verdict import Reason, Veto
from engine.core import failover
from engine.core.core import Core
from engine.core.executor import converge_venue
from risk import breaker as machine
from risk.breaker import BLOCKING, Breaker, BreakerState

ORDERS, READS = VenueOperation.ORDERS, VenueOperation.READS
STREAM, MARKET_DATA = VenueOperation.STREAM, VenueOperation.MARKET_DATA
PATIENCE = 5
"""Questions may wait for so many times the time of an order: they are several requests, and the last in the queue."""


def rule_of(core: Core) -> BreakerRule:
    """The rule of every connection."""
    return core.state.settings.breakers.exchange_failure


def of(core: Core, venue: str, operation: VenueOperation) -> Breaker:
    """The breaker of one operation, made on first use."""
    return core.state.breakers.setdefault(venue, {}).setdefault(operation, Breaker())


def failed(core: Core, venue: str, operation: VenueOperation, why: str) -> None:
    """A venue did not do its part."""
    if machine.fail(of(core, venue, operation), rule_of(core), core.state.ts_ns, why):
        changed(core, venue, operation)


def answered(core: Core, venue: str, operation: VenueOperation) -> None:
    """A venue did its part."""
    breaker = core.state.breakers.get(venue, {}).get(operation)
    if breaker is not None and machine.succeed(breaker, rule_of(core), core.state.ts_ns):
        changed(core, venue, operation)


def heard(core: Core, account: AccountId) -> None:
    """An answer about an order came. On the way of every message: costs nothing while all is well."""
    if core.narrowed:
        answered(core, venue_of(account), ORDERS)


def seen(core: Core, instrument: InstrumentId) -> None:
    """A price came; called only while a breaker is not closed."""
    answered(core, instrument.partition(".")[2], MARKET_DATA)


def ask(core: Core, account: AccountId) -> None:
    """A venue is asked for the truth: a question before this one that has had no answer in its time is a failure."""
    venue, now_ns = venue_of(account), core.state.ts_ns
    if machine.ask(of(core, venue, READS), now_ns, PATIENCE * core.state.settings.execution.ack_timeout_ns):
        failed(core, venue, READS, "it does not answer what it is asked")
        of(core, venue, READS).asked_ns = now_ns


def on_trouble(core: Core, event: VenueTrouble) -> None:
    """A venue's adapter says what went wrong."""
    failed(core, event.venue, event.operation, event.text or "trouble without a word")


def on_cooled(core: Core, name: str) -> None:
    """Timer: a cool-down is over."""
    venue, _, operation = name.partition(":")
    breaker = core.state.breakers.get(venue, {}).get(VenueOperation(operation))
    if breaker is not None and machine.cool(breaker, core.state.ts_ns):
        changed(core, venue, VenueOperation(operation))


def on_started(core: Core) -> None:
    """A new run: what was asked died with the last one; cool-downs go on."""
    for venue, breakers in core.state.breakers.items():
        for operation, breaker in breakers.items():
            breaker.asked_ns = 0
            if breaker.until_ns:
                core.set_timer(f"breaker:{venue}:{operation}", breaker.until_ns)


def changed(core: Core, venue: str, operation: VenueOperation) -> None:
    """A breaker has another state: people hear of it, and every order of the venue is brought in line."""
    breaker = of(core, venue, operation)
    timer = f"breaker:{venue}:{operation}"
    core.drop_timer(timer)
    if breaker.until_ns:
        core.set_timer(timer, breaker.until_ns)
    core.index_breakers()
    tell(core, venue, operation, breaker)
    failover.settle(core)
    converge_venue(core, venue)


def tell(core: Core, venue: str, operation: VenueOperation, breaker: Breaker) -> None:
    """What happened, what it does, and when it is tried again, in words."""
    what = f"{venue} {operation.replace('_', ' ')}"
    size = f"{rule_of(core).fraction * 100:f}".rstrip("0").rstrip(".")
    stops = "nothing that adds risk is sent there, entries and quotes are cancelled; cancels, reductions, protections"
    where = {"venue": venue, "operation": operation.value}
    match breaker.state:
        case BreakerState.OPEN:
            again = f"It is tried again at {clock_text(breaker.until_ns)}" if breaker.until_ns else "People release it"
            text = f"Breaker of {what} is open: {breaker.why}. Until then {stops} pass. {again}."
            core.alert(Severity.ERROR, "breaker_open", text, **where)
        case BreakerState.FORCED_OPEN:
            text = f"Breaker of {what} is open by hand ({breaker.by}): {stops} pass. /breaker {venue} auto releases it."
            core.alert(Severity.WARNING, "breaker_open", text, **where)
        case BreakerState.HALF_OPEN:
            text = f"Breaker of {what} is half open: orders there are {size} % of their size until it has answered."
            core.alert(Severity.WARNING, "breaker_half_open", text, **where)
        case BreakerState.CLOSED:
            text = f"Breaker of {what} is closed: it is used as before."
            core.alert(Severity.WARNING, "breaker_closed", text, **where)


def clock_text(ts_ns: int) -> str:
    """A time of day in UTC, for people."""
    return f"{dt.datetime.fromtimestamp(ts_ns // 1_000_000_000, tz=dt.UTC):%H:%M:%S} UTC"


# by hand


def venues(core: Core) -> list[str]:
    """Every venue that the settings know."""
    return sorted({instrument.venue for instrument in core.instruments.values()})


def unknown(core: Core, venue: str) -> Veto | None:
    """Why a venue cannot be meant."""
    known = venues(core)
    return None if venue in known else Veto(Reason.NO_SUCH, f"venue {venue}; known: {', '.join(known)}")


def force(core: Core, who: str, venue: str) -> Veto | str:
    """Open a venue's breaker by hand, at once."""
    if (veto := unknown(core, venue)) is not None:
        return veto
    if not machine.force(of(core, venue, ORDERS), core.state.ts_ns, who):
        return Veto(Reason.WRONG_STATE, f"the breaker of {venue} is open by hand already")
    changed(core, venue, ORDERS)
    return (
        f"The breaker of {venue} is open: nothing that adds risk is sent there; cancels, reductions and protections "
        f"pass. /breaker {venue} auto asks for its release."
    )


def objection(core: Core, venue: str) -> Veto | None:
    """Why there is nothing to release."""
    is_open = any(b.state in BLOCKING for b in core.state.breakers.get(venue, {}).values())
    return unknown(core, venue) or (None if is_open else Veto(Reason.WRONG_STATE, f"no breaker of {venue} is open"))


def release(core: Core, venue: str) -> str:
    """People have agreed: what is open is tried again now."""
    for operation, breaker in list(core.state.breakers.get(venue, {}).items()):
        if machine.release(breaker, core.state.ts_ns):
            changed(core, venue, operation)
    return f"The breaker of {venue} is half open: it is tried with small orders, and closes when it has answered."
