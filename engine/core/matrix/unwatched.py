"""Other settings are in force: what they do not order any more is taken back.

A breaker that is not watched has no measure that could let it go, so it closes; one that a person opened stays open
until people release it, which then waits for no measure. Trading that a breaker has HALTED stays that until a resume.
"""

from __future__ import annotations

from domain.breakers import BreakerAction
from domain.facts import Severity
from engine.core.core import Core
from engine.core.executor import converge
from engine.core.matrix import actions
from engine.core.matrix.judge import arm, changed, published
from engine.core.matrix.table import rule_of, slots_in, split, title
from risk import breaker as machine
from risk.breaker import Breaker, BreakerState

A = BreakerAction
_SET_CEILINGS = frozenset({A.EMERGENCY_STOP, A.FLATTEN, A.HALVE_POSITIONS, A.CLOSE_OLD})


def take_back(core: Core) -> None:
    """Bring every breaker in line with the settings; what they add runs with its next trip."""
    rules = core.state.settings.breakers
    for key, breaker in list(core.state.matrix.items()):
        if rules.rule(split(key)[0]) is None:
            let_go(core, key, breaker)
        elif breaker.state is not BreakerState.CLOSED:
            drop_actions(core, key, breaker)
    for key in [key for key in core.state.samples_of if rules.rule(split(key)[0]) is None]:
        del core.state.samples_of[key]


def let_go(core: Core, key: str, breaker: Breaker) -> None:
    """Nothing is measured any more: what it had done by itself ends."""
    was = breaker.state
    if not machine.unwatch(breaker, core.state.ts_ns):
        return
    if was is BreakerState.FORCED_OPEN:
        drop_actions(core, key, breaker)
        published(core, key, breaker)
        how = "what it did by itself ends; it stays open by hand, until people release it"
    else:
        changed(core, key)
        how = f"it was {was.value.replace('_', ' ')} and is closed, what it did ends; a halt stays until /resume"
    text = f"Breaker {title(key)} is not watched any more by the settings: {how}."
    core.alert(Severity.WARNING, "breaker_unwatched", text, breaker=key)


def drop_actions(core: Core, key: str, breaker: Breaker) -> None:
    """End what its rule does not tell it to do any more."""
    ordered = core.state.settings.breakers.rule(split(key)[0])
    kept = frozenset(rule_of(core, key).actions) if ordered is not None else frozenset()
    breaker.tasks = [task for task in breaker.tasks if task.action in kept]
    if not kept & _SET_CEILINGS:
        actions.lift(core, key)
    if A.LOCK_DOWN not in kept:
        actions.unlock(core, key)
    arm(core, key)
    for slot in slots_in(core, split(key)[1]):
        converge(core, slot)
