"""Read models of risk: what `/risk`, the dashboard and the metrics show. Amounts are in the base currency.

Losses are positive, fractions are of equity. A figure that cannot be said yet is None, and `n` of `needed` says why.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct


class ExposureView(Struct, frozen=True, kw_only=True):
    """Longs and shorts of one asset, venue or strategy; `fraction` is gross over equity (None without equity)."""

    name: str
    long: Decimal
    short: Decimal
    net: Decimal
    gross: Decimal
    fraction: Decimal | None


class MarginView(Struct, frozen=True, kw_only=True):
    """Initial and maintenance margin of one account; `used` is the former over equity (None without equity)."""

    account: str
    equity: Decimal
    initial: Decimal
    maintenance: Decimal
    used: Decimal | None


class TailView(Struct, frozen=True, kw_only=True):
    """Value at risk and expected shortfall of one step at one level; None while `n` steps are fewer than `needed`."""

    step: str
    level: Decimal
    method: str
    value_at_risk: Decimal | None
    shortfall: Decimal | None
    n: int
    needed: int


class CorrelationView(Struct, frozen=True, kw_only=True):
    """Shrunk correlation of assets from `n` steps; no rows while there are fewer than `needed`."""

    assets: tuple[str, ...]
    rows: tuple[tuple[Decimal, ...], ...]
    intensity: Decimal
    step: str
    n: int
    needed: int


class StrategyRiskView(Struct, frozen=True, kw_only=True):
    """One strategy: its profit since it was loaded, drawdown, and the share of equity that it is sized by."""

    id: str
    profit: Decimal
    drawdown: Decimal
    share: Decimal
    cut: Decimal | None
    """What the correlation cut left of it."""
    hours: int
    """Of its own record."""


class LimitUseView(Struct, frozen=True, kw_only=True):
    """How much of a limit is used, at the scope where most of it is. `share` is used over limit, 1 = all of it.

    Of a limit that asks for at least so much (`liquidation_distance`), `share` is the limit over what there is.
    """

    rule: str
    scope: str
    used: Decimal
    limit: Decimal
    unit: str
    share: Decimal


class RiskView(Struct, frozen=True, kw_only=True):
    """The portfolio's risk at a glance."""

    ts_ns: int
    equity: Decimal
    level: str
    drawdown: Decimal
    drawdown_week: Decimal
    day_loss: Decimal
    gross: Decimal
    net: Decimal
    leverage: Decimal | None
    by_asset: tuple[ExposureView, ...]
    by_venue: tuple[ExposureView, ...]
    by_strategy: tuple[ExposureView, ...]
    margins: tuple[MarginView, ...]
    tails: tuple[TailView, ...]
    beta_to_btc: Decimal | None
    beta_n: int
    beta_needed: int
    correlation: CorrelationView
    strategies: tuple[StrategyRiskView, ...]
    not_covered: Decimal
    """Worth of what is held and has no samples: the figures from returns do not know it."""
    unpriced: tuple[str, ...] = ()
    """Instruments that are held and have no price: nothing here counts them."""
    limits: tuple[LimitUseView, ...] = ()
    """The fullest first."""


class StressView(Struct, frozen=True, kw_only=True):
    """What one shock would do. Profits are positive here: `worst` is the least of `ways`."""

    name: str
    what: str
    worst: Decimal
    worst_fraction: Decimal | None
    """Of equity."""
    level_after: str
    """Risk level by the drawdown that equity would then be at."""
    ways: tuple[tuple[str, Decimal], ...]
    moves: tuple[tuple[str, Decimal], ...]
    exit_cost: Decimal
    liquidated: tuple[str, ...]
    liquidated_at: tuple[tuple[str, Decimal], ...]
    beyond_touch: tuple[tuple[str, Decimal], ...]
    assumed: tuple[str, ...]
