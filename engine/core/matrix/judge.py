"""One measure against its breaker, and everything that a change of state brings with it."""

from __future__ import annotations

from decimal import Decimal

from domain import facts
from domain.breakers import BreakerAction, Watch
from domain.facts import Severity
from domain.settings import DAY_NS
from engine.core.core import Core
from engine.core.executor import converge
from engine.core.matrix import actions
from engine.core.matrix.table import (
    DOES,
    clock_text,
    figure,
    key_of,
    of,
    rule_of,
    slots_in,
    split,
    threshold_of,
    title,
)
from risk import breaker as machine
from risk.breaker import BLOCKING, Breaker, BreakerState
from risk.matrix import LATCHES_FOR_THE_DAY, MEASURES_WINDOW, in_order

OPEN, CLOSED, HALF_OPEN = BreakerState.OPEN, BreakerState.CLOSED, BreakerState.HALF_OPEN
LOOK_AGAIN_NS = 30_000_000_000
"""How often one whose cool-down is over is looked at while its measure is not back."""
_BY_PEOPLE = "two persons release it"


def measured(core: Core, watch: Watch, scope: str, value: Decimal | None, why: str) -> None:
    """Judge a measure (None = there is nothing to measure); `why` says in words what it is."""
    rule = core.state.settings.breakers.rule(watch)
    if rule is None:
        return
    key = key_of(watch, scope)
    breaker, now_ns = of(core, key), core.state.ts_ns
    moved = watch not in MEASURES_WINDOW or now_ns - breaker.since_ns >= rule.window_ns
    threshold = threshold_of(core.state.settings.breakers, key)
    if not machine.judge(breaker, rule, now_ns, value, threshold=threshold, has_moved=moved):
        return
    if breaker.state in BLOCKING:
        breaker.why = f"{why}, the threshold is {figure(watch, threshold)}"
        if watch in LATCHES_FOR_THE_DAY and breaker.until_ns:
            breaker.until_ns = max(breaker.until_ns, (now_ns // DAY_NS + 1) * DAY_NS)
    changed(core, key, has_tripped=breaker.state in BLOCKING)


def changed(core: Core, key: str, *, has_tripped: bool = False) -> None:
    """A breaker has another state: its actions begin or are taken back, people hear of it, orders are in line again.

    One that a person has opened stays open when it trips too: then its actions begin.
    """
    breaker = of(core, key)
    _, scope = split(key)
    core.index_breakers()
    if has_tripped:
        actions.begin(core, key)
    elif breaker.state is not BreakerState.FORCED_OPEN:
        actions.take_back(core, key)
    tell(core, key, breaker)
    arm(core, key)
    for slot in slots_in(core, scope):
        converge(core, slot)


def arm(core: Core, key: str) -> None:
    """Set the timer of the next thing that is due for a breaker."""
    breaker, now_ns = of(core, key), core.state.ts_ns
    due = [task.start_ns for task in breaker.tasks]
    if breaker.report_ns:
        due.append(breaker.report_ns)
    if breaker.state is OPEN and breaker.until_ns:
        due.append(breaker.until_ns if breaker.until_ns > now_ns else now_ns + LOOK_AGAIN_NS)
    if due:
        core.set_timer(f"matrix:{key}", max(min(due), now_ns))
    else:
        core.drop_timer(f"matrix:{key}")


def published(core: Core, key: str, breaker: Breaker) -> None:
    """The whole row of a breaker, for tables and screens."""
    watch, scope = split(key)
    core.facts.append(
        facts.BreakerChanged(
            **core.at(),
            name=watch.value,
            scope=scope,
            state=breaker.state.value,
            measure=breaker.measure,
            threshold=threshold_of(core.state.settings.breakers, key),
            until_ns=breaker.until_ns,
            actions=tuple(action.value for action in rule_of(core, key).actions),
            why=breaker.why,
        )
    )


def tell(core: Core, key: str, breaker: Breaker) -> None:
    """What happened, what is done, and how it goes on, in words."""
    published(core, key, breaker)
    rule, name, now_ns = rule_of(core, key), title(key), core.state.ts_ns
    does = "; ".join(DOES[action] for action in in_order(rule.actions)) or "nothing is done but this"
    match breaker.state:
        case BreakerState.FORCED_OPEN if breaker.tasks or breaker.report_ns:
            text = f"Breaker {name}, open by hand ({breaker.by}), is past its threshold: {breaker.why}."
            text = f"{text} What is done: {does}. What is left: {_BY_PEOPLE}."
            core.alert(Severity.CRITICAL, "breaker_open", text, breaker=key)
        case BreakerState.OPEN:
            at = f"it is tried again at {clock_text(breaker.until_ns, now_ns)}, once the measure is back"
            again = at if breaker.until_ns else f"{_BY_PEOPLE}: /breaker {key} auto"
            is_grave = BreakerAction.EMERGENCY_STOP in rule.actions or BreakerAction.SHUT_DOWN in rule.actions
            text = f"Breaker {name} is open: {breaker.why}. What is done: {does}. What is left: {again}."
            core.alert(Severity.CRITICAL if is_grave else Severity.ERROR, "breaker_open", text, breaker=key)
        case BreakerState.FORCED_OPEN:
            text = (
                f"Breaker {name} is open by hand ({breaker.by}): nothing that adds risk is sent; cancels, reductions "
                f"and protections pass. /breaker {key} auto releases it."
            )
            core.alert(Severity.WARNING, "breaker_open", text, breaker=key)
        case BreakerState.HALF_OPEN:
            size = f"{rule.fraction * 100:f}".rstrip("0").rstrip(".")
            text = f"Breaker {name} is half open: what adds risk is {size} % of its size"
            text = f"{text} until the measure has stayed back."
            core.alert(Severity.WARNING, "breaker_half_open", text, breaker=key)
        case BreakerState.CLOSED:
            text = f"Breaker {name} is closed: all is as before."
            core.alert(Severity.WARNING, "breaker_closed", text, breaker=key)


def is_open(core: Core, key: str) -> bool:
    """Whether a breaker is open now, by itself or by hand."""
    found = core.state.matrix.get(key)
    return found is not None and found.state in BLOCKING
