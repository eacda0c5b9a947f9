"""Keys, rules, figures and words of the breakers of the matrix."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

from domain.account import venue_of
from domain.breakers import BreakerAction, BreakerRule, BreakerSettings, Watch
from domain.settings import HOUR_NS
from engine.core.core import Core
from engine.core.state import MANUAL, Slot, StrategyState
from risk.breaker import Breaker
from risk.matrix import BY_PEOPLE, KEEPS_SAMPLES, LONGEST_WINDOW_NS, OF_A_SYMBOL, misfits

_UNITS = {Watch.LATENCY: " ms", Watch.FEED_AGE: " s", Watch.POSITION_TIMEOUT: " times its age limit"}
_COUNTS = frozenset({Watch.SECURITY, Watch.DATA_GAP})
BY_VENUE = frozenset({Watch.LATENCY, Watch.ERROR_RATE})
BY_SYMBOL = frozenset(OF_A_SYMBOL)
_A = BreakerAction
DOES = {
    _A.EMERGENCY_STOP: "trading is HALTED, entries and quotes are cancelled, positions are closed",
    _A.SHUT_DOWN: "trading is HALTED, entries and quotes are cancelled, protections stay",
    _A.LOCK_DOWN: "every session is ended, and only cancels and reductions are signed",
    _A.FLATTEN: "positions are closed",
    _A.HALVE_POSITIONS: "positions are halved",
    _A.REFUSE_NEW: "nothing that adds risk is sent",
    _A.PAUSE: "nothing that adds risk is sent and no quote rests",
    _A.FAIL_OVER: "strategies go to their backups",
    _A.CANCEL_PENDING: "entries and quotes are cancelled",
    _A.REDUCE_ACTIVITY: "orders are a part of their size",
    _A.CLOSE_OLD: "positions that are too old are closed",
    _A.TELL_RISK: "the risk managers are told",
    _A.RESTART_STRATEGIES: "strategies are started anew",
    _A.SHED_LOAD: "strategies are stopped, lowest priority first",
}


def key_of(watch: Watch, scope: str = "") -> str:
    """The key of a breaker."""
    return f"{watch.value}:{scope}" if scope else watch.value


def split(key: str) -> tuple[Watch, str]:
    """What a key watches, and its scope ("" = everything)."""
    name, _, scope = key.partition(":")
    return Watch(name), scope


def of(core: Core, key: str) -> Breaker:
    """The breaker of a key, made on first use."""
    found = core.state.matrix.get(key)
    if found is None:
        found = core.state.matrix[key] = Breaker()
    return found


def rule_of(core: Core, key: str) -> BreakerRule:
    """The rule of a key; the plain one where its watch is not configured, as for one that a person opened."""
    return core.state.settings.breakers.rule(split(key)[0]) or BreakerRule()


def threshold_of(settings: BreakerSettings, key: str) -> Decimal:
    """At which measure a breaker trips: a symbol may have its own, by its base asset."""
    watch, scope = split(key)
    rule = settings.rule(watch) or BreakerRule()
    return rule.thresholds.get(scope.partition("-")[0], rule.threshold) if watch in BY_SYMBOL else rule.threshold


def settings_problem(settings: BreakerSettings) -> str:
    """Why the breakers of new settings cannot be, "" when they can: an action that does not fit its breaker."""
    for watch in Watch:
        rule = settings.rule(watch)
        if rule is not None and (wrong := misfits(watch, rule.actions)):
            return f"the breaker {watch.value} cannot do {', '.join(wrong)}"
        if rule is not None and not (rule.threshold > 0 and rule.window_ns > 0 and rule.cool_down_ns > 0):
            return f"the breaker {watch.value} needs a threshold, a window and a cool-down above 0"
        if rule is not None and watch in KEEPS_SAMPLES and rule.window_ns > LONGEST_WINDOW_NS:
            return f"the breaker {watch.value} keeps samples for {LONGEST_WINDOW_NS // HOUR_NS} h at most"
        if rule is not None and rule.recovers and watch in BY_PEOPLE:
            return f"the breaker {watch.value} is released by two persons alone: no measure says that it is over"
    return ""


def slots_in(core: Core, scope: str) -> Iterator[Slot]:
    """Slots under a scope, in order of creation."""
    for slot in list(core.state.slots.values()):
        if scope in {"", slot.owner, slot.instrument, venue_of(slot.account)}:
            yield slot


def strategies_in(core: Core, scope: str) -> Iterator[StrategyState]:
    """Loaded strategies under a scope, in order of loading; what people do by hand is none of them."""
    for strategy in list(core.state.strategies.values()):
        spec = strategy.spec
        is_under = scope in {"", spec.id, *map(venue_of, spec.all_accounts)} or scope in spec.instruments
        if spec.kind != MANUAL and is_under:
            yield strategy


def figure(watch: Watch, value: Decimal) -> str:
    """A measure or threshold for people."""
    if watch in _UNITS:
        return f"{round(value, 1):f}".removesuffix(".0") + _UNITS[watch]
    if watch in _COUNTS:
        return f"{value:f}"
    return f"{round(value * 100, 2):f}".rstrip("0").rstrip(".") + " %" if value else "0 %"


def title(key: str) -> str:
    """A breaker's name for people, as they type it."""
    watch, scope = split(key)
    return f"{watch.value.replace('_', ' ')}{f' of {scope}' if scope else ''}"


def clock_text(ts_ns: int, now_ns: int) -> str:
    """A time in UTC for people; with the day when it is another."""
    at, now = (dt.datetime.fromtimestamp(ns // 1_000_000_000, tz=dt.UTC) for ns in (ts_ns, now_ns))
    return f"{at:%H:%M:%S} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M:%S} UTC"
