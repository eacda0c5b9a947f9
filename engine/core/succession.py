"""What was measured of a strategy stays with its slots when it is unloaded: the next one there goes on from it.

Otherwise unloading and loading would be a way round losing streaks, drawdown, a lowered envelope and a bad record,
and another id a way round a breaker that was opened over the old one. It is kept until the PNL day (UTC) is over, or a
quorum loads what comes next; a breaker until people release it. What people trade by hand succeeds itself alone.
"""

from __future__ import annotations

from msgspec.structs import replace

from domain.breakers import Watch
from domain.instrument import ZERO
from domain.settings import DAY_NS
from engine.core import samples
from engine.core.core import Core
from engine.core.review import usual_envelope
from engine.core.state import MANUAL, Left, StrategyState
from risk.breaker import BreakerState


def kind_of(strategy: StrategyState) -> str:
    """Under what its record is kept in a slot: what is done by hand, or by code."""
    return MANUAL if strategy.spec.kind == MANUAL else "code"


def leave(core: Core, strategy: StrategyState) -> None:
    """Before it is unloaded: keep in its slots what was measured of it."""
    name, day = strategy.spec.id, core.state.ts_ns // DAY_NS
    left = Left(
        spec=strategy.spec,
        day=day,
        losses_in_a_row=strategy.losses_in_a_row if strategy.losses_day == day else 0,
        given_back=max(ZERO, core.state.samples.peaks.get(name, ZERO) - samples.profit_of(core, name)),
        envelope=strategy.envelope,
        trades=tuple(strategy.trades),
    )
    for slot in core.slots_of(name):
        slot.left[kind_of(strategy)] = left


def follow(core: Core, strategy: StrategyState, *, is_approved: bool = False) -> None:
    """After it was loaded: go on from what was left in its slots, the worst of each."""
    name, kept, day = strategy.spec.id, core.state.samples, core.state.ts_ns // DAY_NS
    found = [left for slot in core.slots_of(name) if (left := slot.left.get(kind_of(strategy))) is not None]
    for left in found:
        follow_breaker(core, left.spec.id, name)
    found = [left for left in found if left.day == day]
    if not found or is_approved:
        return
    strategy.losses_in_a_row, strategy.losses_day = max(left.losses_in_a_row for left in found), day
    # what was raised was raised for another; what was lowered holds
    usual = usual_envelope(core, strategy.spec)
    strategy.envelope = min((e for left in found if (e := left.envelope) is not None and e < usual), default=None)
    records = [list(left.trades) for left in found if counts(strategy, left)]
    strategy.trades = max(records, key=len, default=[])
    given_back = max(left.given_back for left in found)
    if given_back > 0:
        profit = samples.profit_of(core, name)
        kept.peaks[name] = profit + given_back
        if kept.times_ns:
            kept.pnl[name] = [profit]  # limits read the newest sample: there is one at once


def counts(strategy: StrategyState, left: Left) -> bool:
    """Whether a record of trades is this strategy's too: of the same code and parameters, or a losing one."""
    is_same = (strategy.spec.kind, strategy.spec.params) == (left.spec.kind, left.spec.params)
    return is_same or sum(left.trades) < 0


def follow_breaker(core: Core, before: str, name: str) -> None:
    """A breaker that is open over the strategy that was here is open over this one too."""
    key = f"{Watch.POSITION_TIMEOUT.value}:{name}"
    stands = core.state.matrix.get(f"{Watch.POSITION_TIMEOUT.value}:{before}")
    if before == name or stands is None or stands.state is BreakerState.CLOSED:
        return
    if (own := core.state.matrix.get(key)) is not None and own.state is not BreakerState.CLOSED:
        return
    core.state.matrix[key] = replace(stands, failures=[], tasks=[], shed=[], report_ns=0)
    if stands.until_ns:
        core.set_timer(f"matrix:{key}", max(stands.until_ns, core.state.ts_ns))
    core.index_breakers()
