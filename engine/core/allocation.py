"""Shares of equity by strategy in the state: risk parity where it is on, and the cut of what is too correlated.

Looked at on the first equity sample of an hour, when `allocation.every` has passed. `core.share_of` is what sizing
reads. Sizes are frozen per entry, so a new share is felt by the next entry and never trades by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from domain.facts import Severity
from domain.settings import StrategySpec
from engine.core import samples
from engine.core.core import ONE, Core
from engine.core.limits import effective
from engine.core.state import MANUAL
from risk.allocation import Record, allocate, correlation_cuts, rebalanced, rounded


def on_hour(core: Core) -> None:
    """Look again when it is time."""
    state = core.state
    if state.ts_ns - state.allocated_ns < state.settings.allocation.every_ns:
        return
    state.allocated_ns = state.ts_ns
    records = records_of(core)
    shares: dict[str, Decimal] = {}
    if state.settings.allocation.enabled:
        shares = rebalanced(state.shares, allocate(records), state.settings.allocation.turnover)
    put(core, shares, correlation_cuts(records, correlation_limits(core)))


def records_of(core: Core) -> list[Record]:
    """What every loaded strategy earned by hour, in order of loading; orders by hand are no strategy."""
    earned = core.state.samples.hours.earned
    return [Record(id=name, returns=earned.get(name, ())) for name in loaded(core)]


def loaded(core: Core) -> Iterable[str]:
    """Ids of the strategies that share equity."""
    return (name for name, strategy in core.state.strategies.items() if strategy.spec.kind != MANUAL)


def correlation_limits(core: Core) -> dict[str, Decimal]:
    """The rule `strategy_correlation` by strategy."""
    found = {name: effective(core, "strategy_correlation", strategy=name) for name in loaded(core)}
    return {name: limit for name, limit in found.items() if limit is not None}


def put(core: Core, shares: Mapping[str, Decimal], cuts: Mapping[str, Decimal]) -> None:
    """Make shares and cuts those in force; people are told what changed, drawdowns stay the same fractions."""
    state = core.state
    before = {name: core.share_of(name) for name in state.strategies}
    state.shares, state.cuts = dict(shares), dict(cuts)
    said = []
    for name, was in before.items():
        now = core.share_of(name)
        if now != was:
            samples.restate_peak(core, name, was, now)
            cut = f" (cut to {cuts[name]:.0%}: too correlated with another)" if name in cuts else ""
            said.append(f"{name} {was:.1%} -> {now:.1%}{cut}")
    if said:
        core.alert(
            Severity.INFO, "allocation", f"Shares of equity by strategy: {'; '.join(said)}. New entries use them."
        )


def make_room(core: Core, spec: StrategySpec) -> None:
    """A strategy that is loaded while equity is shared out gets an equal share, of which all others give up a part."""
    state = core.state
    if not state.shares or spec.kind == MANUAL:
        return
    count = len(state.shares) + 1
    shares = {name: rounded(share * (count - 1) / count) for name, share in state.shares.items()}
    put(core, {**shares, spec.id: rounded(ONE / count)}, state.cuts)


def forget(core: Core, strategy_id: str) -> None:
    """An unloaded strategy's share is free until the allocator looks again."""
    core.state.shares.pop(strategy_id, None)
    core.state.cuts.pop(strategy_id, None)
