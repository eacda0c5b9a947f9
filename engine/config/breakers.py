"""The breaker matrix in a settings file: what a section leaves out is the mission's default for that breaker.

`off: true` says that it is not watched. An action that does not exist, or that this breaker cannot have, is refused
when the file is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any

from msgspec.structs import replace
from pydantic import BeforeValidator, Field, field_validator

from domain.breakers import BreachSource, BreakerAction, BreakerRule, BreakerSettings, Watch
from domain.settings import HOUR_NS
from engine.config.fields import DurationNs, Fraction, PositiveDurationNs, exact_number, expected
from engine.config.section import Section
from engine.config.words import found, nearest
from risk.matrix import ALLOWED, BY_PEOPLE, DEFAULTS, KEEPS_SAMPLES, LONGEST_WINDOW_NS, misfits

MOST_PROBES = 1_000


def threshold(value: Any) -> Decimal:  # noqa: ANN401 - from a file
    """A number above 0; `5%` is 0.05."""
    what = "a number above 0, or a percentage such as 5%"
    if isinstance(value, str) and value.strip().endswith("%"):
        value = exact_number(value.strip()[:-1], what) / 100
    number = exact_number(value, what)
    if number <= 0:
        raise expected(what)
    return number


Threshold = Annotated[Decimal, BeforeValidator(threshold)]


class BreakerSection(Section):
    """When a breaker opens, what it does, and how it closes again."""

    off: bool = False
    threshold: Threshold | None = None
    """Fractions for losses, rates, load and prices, ms for latency, s for feed age, failures within the window for
    connections, times the strategy's `position_age` for old positions."""
    thresholds: dict[str, Threshold] | None = None
    """Others by base asset (volatility, spread, feed age) or by source (security)."""
    window_ns: PositiveDurationNs | None = Field(default=None, alias="window")
    cool_down_ns: PositiveDurationNs | None = Field(default=None, alias="cool_down")
    recovers: bool | None = None
    """It is tried again after the cool-down; false = only people release it."""
    probes: Annotated[int, Field(ge=1, le=MOST_PROBES)] | None = None
    """Answers, or looks at a measure that is back, which close a half-open one."""
    fraction: Fraction | None = None
    """Part of the normal order size while it is half open."""
    hold_ns: DurationNs | None = Field(default=None, alias="hold")
    """How long the measure has to stay at its threshold."""
    actions: list[str] | None = None

    @field_validator("actions")
    @classmethod
    def _exist(cls, value: list[str] | None) -> list[str] | None:
        for name in value or ():
            if name not in set(BreakerAction):
                near = nearest(name, list(BreakerAction))
                raise expected(f"actions of the matrix; {found(name)} is none{near}: {', '.join(BreakerAction)}")
        return value


class BreakersSection(Section):
    """The breakers by what they watch."""

    exchange_failure: BreakerSection = BreakerSection()
    """Every connection to a venue: orders, reads, stream, market data, each on its own."""
    portfolio_loss: BreakerSection = BreakerSection()
    drawdown: BreakerSection = BreakerSection()
    latency: BreakerSection = BreakerSection()
    error_rate: BreakerSection = BreakerSection()
    position_timeout: BreakerSection = BreakerSection()
    overload: BreakerSection = BreakerSection()
    security: BreakerSection = BreakerSection()
    volatility: BreakerSection = BreakerSection()
    spread: BreakerSection = BreakerSection()
    feed_age: BreakerSection = BreakerSection()
    data_gap: BreakerSection = BreakerSection()


def to_rule(watch: Watch, section: BreakerSection) -> BreakerRule | None:
    """The rule that a section means, over the default of its breaker; None = it is off."""
    if section.off:
        return None
    said = section.model_dump(exclude_none=True, exclude={"off", "actions"})
    rule = replace(DEFAULTS.rule(watch) or BreakerRule(), **said)
    if section.actions is None:
        return rule
    return replace(rule, actions=tuple(BreakerAction(name) for name in section.actions))


def to_breakers(config: BreakersSection) -> BreakerSettings:
    """The settings of all breakers."""
    rules = {watch.value: to_rule(watch, getattr(config, watch.value)) for watch in Watch}
    connections = rules.pop(Watch.EXCHANGE_FAILURE.value) or BreakerRule()
    return BreakerSettings(exchange_failure=connections, **rules)


def problems(config: BreakersSection) -> Iterator[tuple[tuple[str, str], str]]:
    """What one field cannot know: actions that do not fit, thresholds that cannot be; (section and key, sentence)."""
    for watch in Watch:
        section: BreakerSection = getattr(config, watch.value)
        rule = to_rule(watch, section)
        if rule is None:
            if watch is Watch.EXCHANGE_FAILURE:
                yield (watch.value, "off"), "connections are always watched: every venue fails now and then"
            continue
        if wrong := misfits(watch, rule.actions):
            fitting = ", ".join(action for action in BreakerAction if action in ALLOWED[watch])
            yield (watch.value, "actions"), f"{', '.join(wrong)} cannot be done by this breaker; it has {fitting}"
        if watch in KEEPS_SAMPLES and rule.window_ns > LONGEST_WINDOW_NS:
            yield (watch.value, "window"), f"samples are kept for {LONGEST_WINDOW_NS // HOUR_NS} h at most"
        if rule.recovers and watch in BY_PEOPLE:
            yield (watch.value, "recovers"), "only two persons release this breaker: no measure says that it is over"
        if watch is Watch.EXCHANGE_FAILURE and rule.threshold != int(rule.threshold):
            yield (watch.value, "threshold"), "failures are counted: expected a whole number"
        unknown = [name for name in rule.thresholds if watch is Watch.SECURITY and name not in set(BreachSource)]
        if unknown:
            known = ", ".join(BreachSource)
            yield (watch.value, "thresholds"), f"{found(unknown[0])} is no source of a breach; there are {known}"
