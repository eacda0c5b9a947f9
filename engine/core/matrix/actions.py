"""What an open breaker does: begun in order of priority and within its deadline, checked, and taken back.

What stops and closes is begun in the step that trips, so that it leaves before anything else. What runs code of
strategies waits for a timer. A while later people are told what was done and what is left.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from domain.breakers import BreakerAction, Watch
from domain.facts import Severity, StrategyStatus, TradingState
from engine.core import incident, strategies, trading
from engine.core.core import Core
from engine.core.executor import converge
from engine.core.matrix.table import of, rule_of, slots_in, split, strategies_in, threshold_of, title
from engine.core.state import Slot, StrategyState
from risk.breaker import Breaker, BreakerState, Task
from risk.matrix import DEADLINE_NS, ONE, PRIORITY, START_NS, in_order
from risk.policy import half

A = BreakerAction
REPORT_NS = 5_000_000_000
"""How long after a trip people are told what was done and what is left,"""
SHED_EVERY_NS = DEADLINE_NS[PRIORITY[A.SHED_LOAD]]
"""and how long one shed strategy is given to be enough."""


def begin(core: Core, key: str) -> None:
    """A trip: list what is to be done, and begin what is due at once."""
    breaker, now_ns = of(core, key), core.state.ts_ns
    actions = in_order(rule_of(core, key).actions)
    breaker.tasks = [Task(action, now_ns + START_NS[PRIORITY[action]]) for action in actions]
    breaker.report_ns = now_ns + REPORT_NS
    run_due(core, key)


def run_due(core: Core, key: str) -> None:
    """Begin every action whose time has come, the most urgent first."""
    breaker = of(core, key)
    due = [task for task in breaker.tasks if task.start_ns <= core.state.ts_ns]
    for task in due:
        breaker.tasks.remove(task)
        handler = HANDLERS.get(task.action)
        if handler is not None:
            handler(core, key)


def take_back(core: Core, key: str) -> None:
    """It is tried again or closed: ceilings and a lock-down end; closed, what was shed begins anew."""
    breaker = of(core, key)
    breaker.report_ns = 0
    lift(core, key)
    unlock(core, key)
    if breaker.state is BreakerState.CLOSED:
        waiting, breaker.shed = breaker.shed, []
        for name in waiting:
            strategy = core.state.strategies.get(name)
            if strategy is not None and strategy.asleep:
                strategies.start(core, strategy)


def lift(core: Core, key: str) -> None:
    """Its ceilings end."""
    for slot in core.state.slots.values():
        slot.ceilings.pop(key, None)


def unlock(core: Core, key: str) -> None:
    """The lock-down ends, where it is what ordered it."""
    if split(key)[0] is Watch.SECURITY:
        core.state.locked = False


def report(core: Core, key: str) -> None:
    """Tell what has come of a trip: what is closed and cancelled, and what is not yet."""
    breaker = of(core, key)
    breaker.report_ns = 0
    left = list(unfinished(core, key, breaker))
    if left:
        text = f"Breaker {title(key)}: not finished {REPORT_NS / 1e9:g} s after it opened: {'; '.join(left)}."
        core.alert(Severity.ERROR, "breaker_late", text, breaker=key)
        return
    text = f"Breaker {title(key)}: what it orders is done; nothing is left."
    core.alert(Severity.WARNING, "breaker_done", text, breaker=key)


def unfinished(core: Core, key: str, breaker: Breaker) -> list[str]:
    """What an open breaker has ordered and is not so yet, in words."""
    waiting = [task.action for task in breaker.tasks if task.action is not A.SHED_LOAD]
    found = [f"{action.value.replace('_', ' ')} has not begun" for action in waiting]
    for slot in core.state.slots.values():
        ceiling, held = slot.ceilings.get(key), core.position(slot.account, slot.instrument)
        if ceiling is not None and abs(held) > ceiling:
            instrument = core.instruments[slot.instrument]
            more = f"{instrument.qty_text(held)}, {instrument.qty_text(ceiling)} is to be left"
            found.append(f"{slot.instrument} on {slot.account} is still {more}")
    if not core.parts.scopes.get(split(key)[1], ONE):
        orders = [order for slot in slots_in(core, split(key)[1]) for order in slot.orders.values()]
        adding = [order for order in orders if not (order.reduce_only or order.guards)]
        if adding:
            found.append(f"{len(adding)} order(s) that may add risk are not cancelled yet")
    return found


# one function per action; what only changes how much may be sent is in `core.parts`


def halve(core: Core, key: str) -> None:
    """Half of every position in scope, rounded down to a lot, is the most that stays: once per trip."""
    for slot in slots_in(core, split(key)[1]):
        held = core.position(slot.account, slot.instrument)
        if held:
            slot.ceilings[key] = half(abs(held), core.instruments[slot.instrument].lot)
            converge(core, slot)


def flatten(core: Core, key: str) -> None:
    """Close what is held in scope, and what may still fill; its entries are used up."""
    for slot in slots_in(core, split(key)[1]):
        if slot.orders or core.position(slot.account, slot.instrument):
            close(core, key, slot)


def close(core: Core, key: str, slot: Slot) -> None:
    """Close one slot; the strategy needs another entry to come back."""
    slot.ceilings[key] = 0
    slot.retry_ns = slot.reduce_retry_ns = 0
    if slot.entry:
        slot.consumed = slot.entry
    converge(core, slot)


def shut_down(core: Core, key: str) -> None:
    """HALTED until people have looked after the incident and resume."""
    trading.latch(core, TradingState.HALTED, f"breaker {title(key)}", of(core, key).why)
    incident.open_(core, "breaker", f"breaker {title(key)} opened: {of(core, key).why}.", f"breaker {title(key)}")


def emergency_stop(core: Core, key: str) -> None:
    """HALTED, and everything is closed."""
    shut_down(core, key)
    flatten(core, key)


def lock_down(core: Core, _key: str) -> None:
    """The doors and the signer are told by the fact of the breaker."""
    core.state.locked = True


def close_old(core: Core, key: str) -> None:
    """Close what is older than its strategy allows."""
    for slot in slots_in(core, split(key)[1]):
        if is_old(core, slot):
            close(core, key, slot)


def is_old(core: Core, slot: Slot) -> bool:
    """Whether a slot holds a position that has reached its strategy's age."""
    owner = core.state.strategies.get(slot.owner)
    held = core.state.accounts[slot.account].positions.get(slot.instrument)
    if owner is None or held is None or not held.qty or not owner.spec.position_age_ns:
        return False
    return core.state.ts_ns - held.opened_ns >= owner.spec.position_age_ns


def restart(core: Core, key: str) -> None:
    """Fresh memory and a warm-up for every strategy that runs in scope."""
    for strategy in strategies_in(core, split(key)[1]):
        if strategy.status is StrategyStatus.RUNNING:
            strategies.rewarm(core, strategy, replace(strategy.spec, autostart=True))


def shed(core: Core, key: str) -> None:
    """Stop the running strategy of the lowest priority, the youngest of several; while it is too much, the next."""
    breaker, now_ns = of(core, key), core.state.ts_ns
    running = [s for s in strategies_in(core, split(key)[1]) if s.status is StrategyStatus.RUNNING]
    if not running or breaker.measure < threshold_of(core.state.settings.breakers, key):
        return
    lowest = min(running[::-1], key=priority_of)
    strategies.pause(core, lowest, f"shed by breaker {title(key)} (priority {priority_of(lowest)})")
    lowest.asleep = True
    breaker.shed.append(lowest.spec.id)
    text = f"Breaker {title(key)}: {lowest.spec.id} is stopped, its quotes and entries are pulled, its protections stay"
    again = "it begins anew when the breaker closes."
    core.alert(Severity.ERROR, "shed", f"{text}; {again}", strategy=lowest.spec.id, breaker=key)
    if len(running) > 1:
        breaker.tasks.append(Task(A.SHED_LOAD, now_ns + SHED_EVERY_NS))


def priority_of(strategy: StrategyState) -> int:
    """0 goes first."""
    return strategy.spec.priority


def tell_risk(core: Core, key: str) -> None:
    """Those who answer for risk hear of it by themselves."""
    text = f"Risk: breaker {title(key)} is open: {of(core, key).why}."
    core.alert(Severity.ERROR, "risk_manager", text, breaker=key)


HANDLERS: dict[BreakerAction, Callable[[Core, str], None]] = {
    A.EMERGENCY_STOP: emergency_stop,
    A.SHUT_DOWN: shut_down,
    A.LOCK_DOWN: lock_down,
    A.FLATTEN: flatten,
    A.HALVE_POSITIONS: halve,
    A.CLOSE_OLD: close_old,
    A.RESTART_STRATEGIES: restart,
    A.SHED_LOAD: shed,
    A.TELL_RISK: tell_risk,
}
