"""What drivers measured: round trips, failed requests, load; and breaches of security. The core judges."""

from __future__ import annotations

from decimal import Decimal

from domain.breakers import BreachSource, BreakerAction, Measured, Watch
from domain.security import SecurityBreach
from engine.core.core import Core
from engine.core.matrix import actions, market, money, unwatched
from engine.core.matrix.judge import LOOK_AGAIN_NS, OPEN, arm, measured
from engine.core.matrix.table import BY_SYMBOL, figure, key_of, of, split
from risk import breaker, measures
from risk.measures import Sample

_SOURCES = tuple(BreachSource)


def on_measured(core: Core, event: Measured) -> None:
    """Keep it for its window and judge; with the load comes the time to look at everything else that ages."""
    rule = core.state.settings.breakers.rule(event.watch)
    if rule is not None:
        kept = samples(core, key_of(event.watch, event.scope))
        measures.keep(kept, (core.state.ts_ns, event.value, event.count))
        look(core, event.watch, event.scope)
    if event.watch is Watch.OVERLOAD:
        money.judge(core)
        market.look_at_silence(core)


def samples(core: Core, key: str) -> list[Sample]:
    """What a breaker has measured within its window."""
    return core.state.samples_of.setdefault(key, [])


def look(core: Core, watch: Watch, scope: str) -> None:
    """Judge what is left in the window by now."""
    rule = core.state.settings.breakers.rule(watch)
    if rule is None:
        return
    kept = samples(core, key_of(watch, scope))
    measures.since(kept, core.state.ts_ns - rule.window_ns)
    minutes = f"{rule.window_ns / 60e9:g} min"
    match watch:
        case Watch.LATENCY:
            value = measures.latency_ms(kept)
            text = "orders take {} there (median of " + minutes + ")"
        case Watch.ERROR_RATE:
            value = measures.error_rate(kept)
            text = "{} of the requests there failed within " + minutes
        case Watch.OVERLOAD:
            value = measures.load(kept, rule.window_ns)
            text = "processor or memory were used to {} for " + minutes
        case _:
            return
    measured(core, watch, scope, value, text.format(figure(watch, value)) if value is not None else "")


def on_breach(core: Core, event: SecurityBreach) -> None:
    """Count it with those of its kind: how many of their threshold there are is the measure."""
    rule = core.state.settings.breakers.security
    if rule is None:
        return
    key = key_of(Watch.SECURITY)
    kept = samples(core, key)
    measures.since(kept, max(core.state.ts_ns - rule.window_ns, of(core, key).fresh_ns))
    measures.keep(kept, (core.state.ts_ns, _SOURCES.index(event.kind), 1))
    value = Decimal(0)
    for index, source in enumerate(_SOURCES):
        times = sum(count for _, kind, count in kept if kind == index)
        value = max(value, Decimal(times) / rule.thresholds.get(source.value, Decimal(1)))
    measured(core, Watch.SECURITY, "", value, f"{event.source}: {event.text}")


def note_breach(core: Core, event: SecurityBreach) -> bool:
    """A breach in events that cannot be stepped: True when one of its kind is enough, and the breaker is open."""
    rule = core.state.settings.breakers.security
    if rule is None or 1 / rule.thresholds.get(event.kind.value, Decimal(1)) < rule.threshold:
        return False
    breaker.trip(of(core, key_of(Watch.SECURITY)), rule, core.state.ts_ns, f"{event.source}: {event.text}")
    core.state.locked = BreakerAction.LOCK_DOWN in rule.actions
    core.index_breakers()
    return True


def on_due(core: Core, key: str) -> None:
    """Timer: an action begins, people are told what was done, or the cool-down is over."""
    found = of(core, key)
    actions.run_due(core, key)
    if found.report_ns and found.report_ns <= core.state.ts_ns:
        actions.report(core, key)
    if found.state is OPEN and found.until_ns and found.until_ns <= core.state.ts_ns:
        look_again(core, key)
    arm(core, key)


def look_again(core: Core, key: str) -> None:
    """The cool-down is over: whether the measure is back."""
    watch, scope = split(key)
    if watch in {Watch.PORTFOLIO_LOSS, Watch.DRAWDOWN, Watch.POSITION_TIMEOUT}:
        money.judge(core)
    elif watch in BY_SYMBOL:
        market.look_at(core, watch, scope)
    else:
        look(core, watch, scope)


def on_started(core: Core) -> None:
    """A new run: breakers are as they were, but for what the settings do not watch, and what is due is due."""
    unwatched.take_back(core)
    for key in list(core.state.matrix):
        arm(core, key)
    for strategy in core.state.strategies.values():
        if strategy.spec.position_age_ns:
            core.set_timer(f"age:{strategy.spec.id}", core.state.ts_ns + LOOK_AGAIN_NS)
