"""What was lost and what is held too long: measured on the equity timer and with every report of the machine's load."""

from __future__ import annotations

from decimal import Decimal

from domain.breakers import BreakerRule, Watch
from domain.instrument import ZERO
from domain.settings import DAY_NS
from engine.core import samples
from engine.core.core import Core
from engine.core.matrix.judge import measured
from engine.core.matrix.table import figure, key_of, split
from engine.core.state import StrategyState
from risk.breaker import Breaker, BreakerState


def judge(core: Core) -> None:
    """Look at everything that is measured in money, and at the age of positions; no further while all is well."""
    rules = core.state.settings.breakers
    if rules.portfolio_loss is not None or rules.drawdown is not None:
        kept = core.state.samples
        is_sampled = kept.times_ns and kept.times_ns[-1] == core.state.ts_ns
        equity = kept.equity[-1] if is_sampled else samples.portfolio_equity(core)
        loss, below = rules.portfolio_loss, rules.drawdown
        opened = max(kept.day_open, kept.equity[-1]) if kept.equity else kept.day_open  # of a day not sampled yet
        if loss is not None and not is_well(core, Watch.PORTFOLIO_LOSS, loss, opened, equity):
            judge_day(core)
        # no drawdown of a window is larger than that from the highest ever
        if below is not None and not is_well(core, Watch.DRAWDOWN, below, kept.peak_equity, equity):
            judge_drawdown(core, below.window_ns)
    if rules.position_timeout is not None:
        judge_ages(core)


def is_well(core: Core, watch: Watch, rule: BreakerRule, before: Decimal, equity: Decimal) -> bool:
    """Whether a breaker is closed, was never let go by people, and far from its threshold."""
    if equity <= before * (1 - rule.threshold):
        return False
    breaker = core.state.matrix.get(watch.value)
    return breaker is None or (breaker.state is BreakerState.CLOSED and not breaker.beyond_ns and not breaker.fresh_ns)


def judge_day(core: Core) -> None:
    """The loss of the PNL day."""
    lost = samples.day_loss(core)
    measured(core, Watch.PORTFOLIO_LOSS, "", lost, f"the PNL day (UTC) has lost {figure(Watch.PORTFOLIO_LOSS, lost)}")


def judge_drawdown(core: Core, window_ns: int) -> None:
    """The drawdown of the window."""
    keep_peak(core)
    below = drawdown(core, window_ns)
    why = f"equity is {figure(Watch.DRAWDOWN, below)} below its high of {window_ns / DAY_NS:g} days"
    measured(core, Watch.DRAWDOWN, "", below, why)


def drawdown(core: Core, window_ns: int) -> Decimal:
    """The drawdown of the window; from the equity at which people let the breaker go, where that was within it."""
    breaker = core.state.matrix.get(key_of(Watch.DRAWDOWN))
    if breaker is None or not breaker.fresh_ns or core.state.ts_ns - breaker.fresh_ns >= window_ns:
        return samples.drawdown(core, window_ns)
    equity = samples.portfolio_equity(core)
    return samples.loss(max(breaker.peak, equity), equity)


def keep_peak(core: Core) -> None:
    """Remember the highest equity since people let the breaker go."""
    breaker = core.state.matrix.get(key_of(Watch.DRAWDOWN))
    if breaker is not None and breaker.fresh_ns:
        breaker.peak = max(breaker.peak, samples.portfolio_equity(core))


def begin_anew(core: Core, breaker: Breaker) -> None:
    """People let it go: what is measured begins at this moment."""
    breaker.fresh_ns, breaker.peak = core.state.ts_ns, samples.portfolio_equity(core)


def judge_ages(core: Core) -> None:
    """Of every strategy that sets a limit; the breaker of one that is gone, or sets none, closes and is forgotten."""
    limited = {name: s for name, s in core.state.strategies.items() if s.spec.position_age_ns}
    for strategy in limited.values():
        judge_age(core, strategy)
    for key, breaker in list(core.state.matrix.items()):
        watch, name = split(key)
        if watch is not Watch.POSITION_TIMEOUT or not name or name in limited:
            continue
        measured(core, watch, name, ZERO, "")
        if breaker.state is BreakerState.CLOSED:
            del core.state.matrix[key]


def judge_age(core: Core, strategy: StrategyState) -> None:
    """The age of a strategy's oldest position, in terms of the limit that it sets."""
    limit_ns, oldest_ns = strategy.spec.position_age_ns, 0
    for slot in core.slots_of(strategy.spec.id):
        held = core.state.accounts[slot.account].positions.get(slot.instrument)
        if held is not None and held.qty and held.opened_ns:
            oldest_ns = min(oldest_ns or held.opened_ns, held.opened_ns)
    age_ns = core.state.ts_ns - oldest_ns if oldest_ns else 0
    why = f"its oldest position is {age_ns // 10**9} s old, {limit_ns // 10**9} s are allowed"
    measured(core, Watch.POSITION_TIMEOUT, strategy.spec.id, Decimal(age_ns) / limit_ns if age_ns else ZERO, why)


def on_age(core: Core, name: str) -> None:
    """Timer: a position of a strategy may have reached its age; the next one is waited for."""
    strategy = core.state.strategies.get(name)
    if strategy is None or core.state.settings.breakers.position_timeout is None:
        return
    judge_age(core, strategy)
    opened = [
        held.opened_ns + strategy.spec.position_age_ns
        for slot in core.slots_of(name)
        if (held := core.state.accounts[slot.account].positions.get(slot.instrument)) is not None and held.qty
    ]
    later = [at for at in opened if at > core.state.ts_ns]
    if later:
        core.set_timer_once(f"age:{name}", min(later))
