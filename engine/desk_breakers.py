"""Read models of the breakers: of connections, and of the matrix with the measure beside the threshold."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from domain import views as v
from domain.breakers import Watch
from engine.core import samples
from engine.core.core import Core
from engine.core.matrix import money
from engine.core.matrix.table import BY_SYMBOL, BY_VENUE, figure, key_of, rule_of, split, threshold_of
from risk import measures
from risk.breaker import Breaker

_WATCHED_ALL = (Watch.PORTFOLIO_LOSS, Watch.DRAWDOWN, Watch.OVERLOAD, Watch.SECURITY)


def breakers(core: Core) -> list[v.BreakerView]:
    """Every breaker that is watched or open: of everything, of venues, of strategies, of symbols."""
    return [*connections(core), *(matrix_view(core, key) for key in keys(core))]


def connections(core: Core) -> list[v.BreakerView]:
    """Every breaker of a connection that has ever counted something, by venue."""
    rule = core.state.settings.breakers.exchange_failure
    return [
        v.BreakerView(
            venue=venue,
            operation=operation.value,
            state=breaker.state.value,
            failures=len(breaker.failures),
            since_ns=breaker.since_ns,
            until_ns=breaker.until_ns,
            why=breaker.why,
            name=venue,
            measure=str(len(breaker.failures)),
            threshold=f"{rule.threshold:f}",
            actions=("fail_over", "cancel_pending"),
            value=Decimal(len(breaker.failures)),
            limit=rule.threshold,
        )
        for venue, operations in sorted(core.state.breakers.items())
        for operation, breaker in sorted(operations.items())
    ]


def keys(core: Core) -> Iterator[str]:
    """Keys of the matrix that are watched, and those that a person opened though they are not."""
    rules, known = core.state.settings.breakers, dict.fromkeys(core.state.matrix)
    for watch in Watch:
        if watch is Watch.EXCHANGE_FAILURE:
            continue
        scopes = [""] if watch in _WATCHED_ALL else []
        if watch in BY_VENUE:
            scopes = sorted({i.venue for i in core.instruments.values()})
        elif watch in BY_SYMBOL:
            scopes = list(core.instruments)
        elif watch is Watch.POSITION_TIMEOUT:
            scopes = [name for name, strategy in core.state.strategies.items() if strategy.spec.position_age_ns]
        for key in [key_of(watch, scope) for scope in scopes] if rules.rule(watch) is not None else []:
            known.pop(key, None)
            yield key
        for key in [key for key in known if split(key)[0] is watch]:
            yield key


def matrix_view(core: Core, key: str) -> v.BreakerView:
    """One breaker of the matrix."""
    watch, scope = split(key)
    breaker, rule = core.state.matrix.get(key, Breaker()), rule_of(core, key)
    value, limit = measure_now(core, watch, scope, breaker), threshold_of(core.state.settings.breakers, key)
    return v.BreakerView(
        venue=scope or "all",
        operation=watch.value,
        state=breaker.state.value,
        failures=0,
        since_ns=breaker.since_ns,
        until_ns=breaker.until_ns,
        why=breaker.why,
        name=key,
        measure=figure(watch, value),
        threshold=figure(watch, limit),
        actions=tuple(action.value for action in rule.actions),
        value=value,
        limit=limit,
    )


def measure_now(core: Core, watch: Watch, scope: str, breaker: Breaker) -> Decimal:
    """What it measures now where that is to be had, else what it measured last."""
    market = core.markets.get(scope)
    match watch:
        case Watch.PORTFOLIO_LOSS:
            return samples.day_loss(core)
        case Watch.DRAWDOWN:
            return money.drawdown(core, rule_of(core, key_of(watch)).window_ns)
        case Watch.VOLATILITY if market is not None:
            kept = core.state.samples_of.get(key_of(watch, scope), [])
            return measures.distance(market.reference(), kept) or Decimal(0)
        case Watch.SPREAD if market is not None:
            return measures.spread(market.bid, market.ask) or Decimal(0)
        case _:
            return breaker.measure
