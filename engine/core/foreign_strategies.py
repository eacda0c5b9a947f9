"""What events that this build must not step leave of strategies: loaded, changed, paused, quarantined as they were."""

from __future__ import annotations

from msgspec.structs import replace

from domain import commands as c
from domain.desired import NOTHING
from domain.facts import StrategyStatus
from domain.settings import StrategySpec
from engine.core import allocation, owners, params, requests, samples, succession
from engine.core.core import Core
from engine.core.manual import find_slot, manual_id
from engine.core.state import MANUAL, Slot, StrategyState


def manual(core: Core, _who: str, command: c.ManualTarget | c.ManualLimit) -> None:
    """A person's order is not worked any more, but what it bought must not be taken for too much."""
    owner = manual_id(command.account, command.instrument)
    slot = find_slot(core, command.account, command.instrument)
    if not isinstance(slot, Slot) or (slot.owner not in {"", owner} and slot.owner in core.state.strategies):
        return
    spec = StrategySpec(id=owner, kind=MANUAL, account=command.account, instruments=(command.instrument,))
    core.state.strategies.setdefault(owner, StrategyState(spec, status=StrategyStatus.RUNNING))
    slot.owner, slot.target = owner, None


def takes_votes(core: Core, who: str) -> bool:
    """True where a person alone may not put a strategy to work."""
    approvals = core.state.settings.approvals
    return approvals.enabled and approvals.load_votes > 0 and who in core.persons


def load(core: Core, who: str, command: c.LoadStrategy) -> None:
    """A strategy that was loaded then is loaded now, and warms up."""
    spec = command.spec
    if takes_votes(core, who):
        return
    if owners.misplaced(core, spec) is not None:
        return
    slots = [core.slot(spec.account_of(instrument), instrument) for instrument in spec.instruments]
    if any(slot.owner not in {"", spec.id} and slot.owner in core.state.strategies for slot in slots):
        return
    by = who if who in core.persons else ""
    core.state.strategies.setdefault(spec.id, StrategyState(spec, source_hash=command.source_hash, by=by))
    for slot in slots:
        slot.owner = spec.id
    succession.follow(core, core.state.strategies[spec.id])


def change_strategy(core: Core, who: str, command: c.AboutLoaded) -> None:
    """Unloaded, paused, started, or with other parameters, as it was then."""
    strategy = core.state.strategies.get(command.strategy)
    if strategy is None:
        return
    name, spec, person = strategy.spec.id, strategy.spec, who if who in core.persons else ""
    match command:
        case c.StartStrategy() | c.ReloadStrategy() if takes_votes(core, who):
            return
        case c.UnloadStrategy():
            slots = core.slots_of(name)
            holds = any(core.position(slot.account, slot.instrument) for slot in slots)
            if holds and not command.keep_position:
                return
            want_nothing(core, strategy)
            succession.leave(core, strategy)
            del core.state.strategies[name]
            samples.forget_strategy(core, name)
            allocation.forget(core, name)
            for slot in slots:
                slot.owner = slot.owner if holds else ""
        case c.SetParams() if params.add_risk(core, command) and core.state.settings.approvals.enabled:
            return  # it takes votes
        case c.SetParams() | c.ReloadStrategy():
            given = command.params if isinstance(command, c.SetParams) else {}
            strategy.spec = replace(spec, params={**spec.params, **given}, autostart=True)
            strategy.by = person
            want_nothing(core, strategy)
            strategy.status, strategy.detail, strategy.memory, strategy.bars_seen = StrategyStatus.WARMING, "", None, {}
        case c.PauseStrategy() if strategy.status is StrategyStatus.RUNNING:
            strategy.status, strategy.detail = StrategyStatus.PAUSED, f"paused by {who}"
            want_nothing(core, strategy)
        case c.PauseStrategy() if strategy.status is StrategyStatus.WARMING:
            # its warm-up may have been over by then, which is not known here
            strategy.spec = replace(spec, autostart=False)
        case c.StartStrategy() if strategy.status is StrategyStatus.PAUSED:
            strategy.status, strategy.detail, strategy.by = StrategyStatus.RUNNING, "", person
        case c.StartStrategy() if strategy.status is StrategyStatus.WARMING:
            strategy.spec, strategy.by = replace(spec, autostart=True), person
        case _:
            return


def quarantine(core: Core, strategy: StrategyState, problem: str) -> None:
    """It failed then, so it does not trade now."""
    strategy.status, strategy.detail, strategy.memory = StrategyStatus.QUARANTINED, problem, None
    want_nothing(core, strategy)


def want_nothing(core: Core, strategy: StrategyState) -> None:
    """Pull everything but protections."""
    strategy.desired = NOTHING
    for slot in core.slots_of(strategy.spec.id):
        slot.target, slot.quotes, slot.hedge_lead = None, (), ""
        if slot.parked:
            waiting, slot.parked = slot.parked, ""
            requests.withdraw(core, waiting, "the strategy no longer wants it")
