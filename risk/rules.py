"""The rules: every limit that can be set, what it guards, where it may be set, and what it is where nobody set it.

A value stands at a scope, written `portfolio`, `venue:NAME`, `strategy:ID` or `instrument:ID`. Of the scopes that an
order falls under the strictest value holds (`strictest`); `engine.core.limits.effective` looks it up. A rule without
a default that is set nowhere refuses what it would have judged, unless it is `optional`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from domain.settings import Environment


class Unit(enum.StrEnum):
    """What a value counts."""

    USD = "USD"
    FRACTION = "fraction"
    """0.1 = 10 %, of what the rule says."""
    TIMES = "times"
    COUNT = "count"
    SECONDS = "seconds"
    PER_SECOND = "per second"


class ScopeKind(enum.StrEnum):
    """What a value holds for."""

    PORTFOLIO = "portfolio"
    VENUE = "venue"
    STRATEGY = "strategy"
    INSTRUMENT = "instrument"


PORTFOLIO, VENUE = ScopeKind.PORTFOLIO, ScopeKind.VENUE
STRATEGY, INSTRUMENT = ScopeKind.STRATEGY, ScopeKind.INSTRUMENT
WIDTH = {PORTFOLIO: 0, VENUE: 1, STRATEGY: 2, INSTRUMENT: 2}
"""The lower, the wider. An override at a scope stands in for what is set there and at every wider one."""


class Rule(Struct, frozen=True, kw_only=True):
    """One limit. Values run from `least` to `most`.

    `hard` rules cannot be overridden. `raising_adds_risk`: the larger value lets more happen, so the smallest is the
    strictest; False = the other way round. `optional`: where it is not set, nothing is refused.
    """

    name: str
    unit: Unit
    guards: str
    scopes: tuple[ScopeKind, ...]
    default: Decimal | None = None
    by_environment: dict[Environment, Decimal] = {}
    hard: bool = False
    raising_adds_risk: bool = True
    optional: bool = False
    least: Decimal = Decimal(0)
    most: Decimal = Decimal(10**12)

    def default_in(self, environment: Environment) -> Decimal | None:
        """What holds for the portfolio where nobody set it; None = nothing does."""
        return self.by_environment.get(environment, self.default)

    def adds_risk(self, before: Decimal | None, after: Decimal | None) -> bool:
        """Whether a change of the value lets more happen than before (None = not set)."""
        if before == after:
            return False
        if before is None or after is None:
            # set where it was not: more room where a missing value refuses, less where it does not
            return (after is None) if self.optional or self.default is not None else (before is None)
        return (after > before) == self.raising_adds_risk

    def problem(self, value: Decimal) -> str:
        """Why a value is impossible, "" when it is not."""
        if not value.is_finite() or not self.least <= value <= self.most:
            return f"{self.name}: {value} {self.unit} is impossible; it is from {self.least} to {self.most}"
        if self.unit is Unit.COUNT and value != int(value):
            return f"{self.name}: {value} is no whole number"
        return ""


def strictest(rule: Rule, values: Iterable[Decimal]) -> Decimal | None:
    """The value that lets least happen, None of none."""
    choose = min if rule.raising_adds_risk else max
    return choose(values, default=None)


def parse_scope(text: str) -> tuple[ScopeKind, str] | None:
    """Kind and name of a scope, None when it is none."""
    kind, _, name = text.partition(":")
    if kind not in list(ScopeKind) or (kind == PORTFOLIO) == bool(name):
        return None
    return ScopeKind(kind), name


def rule_problem(name: str, scope: str, value: Decimal) -> str:
    """Why a value of a rule cannot stand at a scope, "" when it can."""
    rule, found = RULES.get(name), parse_scope(scope)
    if rule is None:
        return f"{name} is no rule; there are {', '.join(RULES)}"
    if found is None:
        return f"{scope!r} is no scope: portfolio, venue:NAME, strategy:ID or instrument:ID"
    if found[0] not in rule.scopes:
        return f"{name} cannot be set for one {found[0]}, only for: {', '.join(rule.scopes)}"
    return rule.problem(value)


_EVERYWHERE = (PORTFOLIO, VENUE, STRATEGY, INSTRUMENT)
_ONE = Decimal(1)
_DEV = Environment.PAPER


def _percent(value: str) -> Decimal:
    return Decimal(value) / 100


_TABLE = (
    Rule(
        name="position_notional",
        unit=Unit.USD,
        guards="the worst side of one instrument of one account: position and all that may still fill",
        scopes=_EVERYWHERE,
    ),
    Rule(name="order_notional", unit=Unit.USD, guards="the worth of one order", scopes=_EVERYWHERE),
    Rule(
        name="asset_fraction",
        unit=Unit.FRACTION,
        guards="the worst side of one asset over all venues and accounts, as a part of the portfolio's equity",
        scopes=(PORTFOLIO, STRATEGY, INSTRUMENT),
        default=_percent("10"),
        most=Decimal(100),
    ),
    Rule(
        name="portfolio_exposure",
        unit=Unit.USD,
        guards="the sum of the worst sides of everything in the scope",
        scopes=(PORTFOLIO, VENUE, STRATEGY),
        default=Decimal(1_000_000),
    ),
    Rule(
        name="leverage",
        unit=Unit.TIMES,
        guards="the sum of the worst sides over the equity, of each account and of the portfolio",
        scopes=(PORTFOLIO, VENUE),
        default=Decimal(5),
        by_environment={_DEV: Decimal(3)},
        hard=True,
        most=Decimal(200),
    ),
    Rule(
        name="liquidation_distance",
        unit=Unit.FRACTION,
        guards="by how much every price may move against an account before its venue liquidates it",
        scopes=(PORTFOLIO, VENUE),
        default=_percent("10"),
        hard=True,
        raising_adds_risk=False,
        most=_ONE,
    ),
    Rule(
        name="portfolio_drawdown",
        unit=Unit.FRACTION,
        guards="the fall of the portfolio's equity from its highest",
        scopes=(PORTFOLIO,),
        default=_percent("25"),
        hard=True,
        most=_ONE,
    ),
    Rule(
        name="strategy_drawdown",
        unit=Unit.FRACTION,
        guards="the fall of a strategy's profit from its highest, as a part of the equity given to it",
        scopes=(PORTFOLIO, STRATEGY),
        default=_percent("15"),
        most=_ONE,
    ),
    Rule(
        name="daily_loss",
        unit=Unit.FRACTION,
        guards="the loss of the PNL day, as a part of the equity that it began with",
        scopes=(PORTFOLIO,),
        default=_percent("5"),
        most=_ONE,
    ),
    Rule(
        name="strategy_correlation",
        unit=Unit.FRACTION,
        guards="the correlation of a strategy's profits with another's, above which its new positions are made smaller",
        scopes=(PORTFOLIO, STRATEGY),
        default=_percent("70"),
        most=_ONE,
    ),
    Rule(
        name="min_liquidity_usd",
        unit=Unit.USD,
        guards="the worth of the thinner side of the live book, below which nothing new is bought or sold",
        scopes=(PORTFOLIO, VENUE, INSTRUMENT),
        default=Decimal(10_000),
        raising_adds_risk=False,
    ),
    Rule(
        name="open_positions_warn",
        unit=Unit.COUNT,
        guards="the number of open positions (or orders that may open one) from which people are told",
        scopes=(PORTFOLIO,),
        default=Decimal(15),
        most=Decimal(10_000),
    ),
    Rule(
        name="open_positions",
        unit=Unit.COUNT,
        guards="the number of open positions (or orders that may open one) from which no other is opened",
        scopes=(PORTFOLIO, VENUE, STRATEGY),
        default=Decimal(20),
        most=Decimal(10_000),
    ),
    Rule(
        name="position_age_s",
        unit=Unit.SECONDS,
        guards="how old a position may get before nothing is added to it",
        scopes=(STRATEGY,),
        optional=True,
        least=_ONE,
    ),
    Rule(
        name="price_collar",
        unit=Unit.FRACTION,
        guards="how far a price may be from the reference on the paying side",
        scopes=_EVERYWHERE,
        default=_percent("5"),
        most=_ONE,
    ),
    Rule(
        name="reference_age_s",
        unit=Unit.SECONDS,
        guards="how old the reference price may be",
        scopes=_EVERYWHERE,
        default=Decimal(60),
        hard=True,
        most=Decimal(86_400 * 7),
    ),
    Rule(
        name="messages_per_s",
        unit=Unit.PER_SECOND,
        guards="orders and amendments of a strategy or a venue in a second; cancels and reductions have a reserve",
        scopes=(PORTFOLIO, VENUE, STRATEGY),
        default=Decimal(50),
        least=_ONE,
        most=Decimal(10_000),
    ),
    Rule(
        name="consecutive_losses",
        unit=Unit.COUNT,
        guards="losing trades of a strategy in a row within the PNL day, after which it opens nothing new",
        scopes=(PORTFOLIO, STRATEGY),
        default=Decimal(10),
        least=_ONE,
        most=Decimal(1_000_000),
    ),
    Rule(
        name="kelly_min",
        unit=Unit.FRACTION,
        guards="the smallest part of equity that half Kelly comes to, however bad or short the record",
        scopes=(PORTFOLIO, STRATEGY),
        default=_percent("1"),
        most=_ONE,
    ),
    Rule(
        name="kelly_max",
        unit=Unit.FRACTION,
        guards="the largest part of equity that half Kelly comes to",
        scopes=(PORTFOLIO, STRATEGY),
        default=_percent("5"),
        most=_ONE,
    ),
    Rule(
        name="base_fraction",
        unit=Unit.FRACTION,
        guards="the part of equity that a position is sized from, before strength, volatility and performance",
        scopes=(PORTFOLIO, STRATEGY, INSTRUMENT),
        default=_percent("2"),
        most=_ONE,
    ),
    Rule(
        name="volatility_target",
        unit=Unit.FRACTION,
        guards="a day's standard deviation of returns at which a position has its base size; wilder ones are smaller",
        scopes=(PORTFOLIO, STRATEGY, INSTRUMENT),
        default=_percent("3"),
        most=_ONE,
    ),
)

RULES: dict[str, Rule] = {rule.name: rule for rule in _TABLE}
"""Rule by name."""
