"""Limits in force: the value of a rule for what an order falls under.

    effective   the strictest value of a rule, after an override
    configured  the same without overrides
    limits_of   every limit of one slot, put together once and kept until settings or overrides change

`engine.core.wide` holds orders against them.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from domain.account import venue_of
from domain.instrument import ZERO
from domain.settings import Environment, RiskSettings
from domain.settings import Limits as OlderLimits
from engine.core.core import Core
from engine.core.state import NEVER, Override, Slot
from risk.gate import PPM, GateConfig
from risk.limits import NS, WideLimits, money
from risk.rules import INSTRUMENT, RULES, STRATEGY, VENUE, WIDTH, ScopeKind, parse_scope, strictest


class Limits(Struct, frozen=True):
    """What holds for the orders of one slot while `owner` owns it."""

    owner: str
    gate: GateConfig
    wide: WideLimits
    most: int
    """`gate.max_exposure` as `risk.limits.money`."""
    rules: dict[str, Decimal | None]
    """What `effective` says of each rule in this slot."""
    messages: int
    """Of the strategy, in a window."""
    venue_messages: int
    of_account: str
    of_venue: str
    of_strategy: str
    """Scopes of the sums, and of the message budgets."""
    until_ns: int
    """When an override ends, with which they are other ones."""


def effective(core: Core, rule: str, *, instrument: str = "", strategy: str = "", venue: str = "") -> Decimal | None:
    """The value that holds for what falls under these scopes: the strictest, after overrides. None = refused."""
    names = {VENUE: venue, STRATEGY: strategy, INSTRUMENT: instrument}
    values = _values(core, rule, names)
    if core.state.overrides and not RULES[rule].hard:
        values = _overridden(core, rule, names, values)
    return strictest(RULES[rule], [value for _, value in values])


def configured(core: Core, rule: str, *, instrument: str = "", strategy: str = "", venue: str = "") -> Decimal | None:
    """As `effective`, as if there were no overrides."""
    values = _values(core, rule, {VENUE: venue, STRATEGY: strategy, INSTRUMENT: instrument})
    return strictest(RULES[rule], [value for _, value in values])


def _values(core: Core, rule: str, names: dict[ScopeKind, str]) -> list[tuple[ScopeKind, Decimal]]:
    """What the settings say of a rule, or its default."""
    risk = core.state.settings.risk
    values = list(_set(risk, rule, names))
    is_listed = _listed(risk.limits.get(names[INSTRUMENT]), rule) is not None
    if not is_listed and not any(kind is ScopeKind.PORTFOLIO for kind, _ in values):
        default = RULES[rule].default_in(core.state.settings.environment)
        values += [(ScopeKind.PORTFOLIO, default)] if default is not None else []
    return values


def _set(risk: RiskSettings, rule: str, names: dict[ScopeKind, str]) -> Iterator[tuple[ScopeKind, Decimal]]:
    """What the settings say of a rule, with the kind of the scope that says it."""
    by_kind = {VENUE: risk.venue, STRATEGY: risk.strategy, INSTRUMENT: risk.instrument}
    listed = _listed(risk.limits.get(names[INSTRUMENT]), rule)
    if listed is not None:
        # an instrument's own: it stands beside the portfolio's value, which only replaces the one for all the others
        yield ScopeKind.INSTRUMENT, listed
    if rule in risk.portfolio:
        yield ScopeKind.PORTFOLIO, risk.portfolio[rule]
    elif listed is None and (older := _older(risk, rule)) is not None:
        yield ScopeKind.PORTFOLIO, older
    for kind, name in names.items():
        value = by_kind[kind].get(name, {}).get(rule)
        if value is not None:
            yield kind, value


def _older(risk: RiskSettings, rule: str) -> Decimal | None:
    """What the settings say of a rule for the portfolio in the words that they had before there were rules."""
    if rule == "base_fraction":
        return risk.base_position_fraction
    if rule == "asset_fraction":
        return risk.max_position_fraction
    if rule == "messages_per_s":
        return Decimal(risk.messages_per_window) * NS / risk.message_window_ns
    return _listed(risk.default_limits, rule)


def _listed(limits: OlderLimits | None, rule: str) -> Decimal | None:
    """What limits in those words say of a rule."""
    if limits is None:
        return None
    return {
        "position_notional": limits.max_position_notional,
        "order_notional": limits.max_order_notional,
        "price_collar": limits.price_collar,
        "reference_age_s": Decimal(limits.max_reference_age_ns) / NS,
    }.get(rule)


def _overridden(
    core: Core, rule: str, names: dict[ScopeKind, str], values: list[tuple[ScopeKind, Decimal]]
) -> list[tuple[ScopeKind, Decimal]]:
    """With overrides: each stands in for the value of its own scope and of every wider one."""
    found = list(overrides_of(core, rule, names))
    for kind, _ in found:
        values = [row for row in values if row[0] is not kind and WIDTH[row[0]] >= WIDTH[kind]]
    return values + [(kind, override.value) for kind, override in found]


def overrides_of(core: Core, rule: str, names: dict[ScopeKind, str]) -> Iterator[tuple[ScopeKind, Override]]:
    """The overrides of a rule that are in force now for what falls under these scopes."""
    for override in core.state.overrides.values():
        scope = parse_scope(override.scope)
        if override.rule != rule or scope is None or not override.since_ns <= core.state.ts_ns < override.until_ns:
            continue
        if scope[0] is ScopeKind.PORTFOLIO or names[scope[0]] == scope[1]:
            yield scope[0], override


def limits_of(core: Core, slot: Slot) -> Limits | None:
    """Every limit of a slot; None where one is missing, which refuses."""
    known = core.limits.get(slot.key)
    if known is not None and known.owner == slot.owner and core.state.ts_ns < known.until_ns:
        return known
    made = make_limits(core, slot)
    if made is not None:
        core.limits[slot.key] = made
    return made


def gate_of(core: Core, slot: Slot) -> GateConfig | None:
    """The limits of a slot by itself; None where one is missing, which refuses."""
    limits = limits_of(core, slot)
    return limits.gate if limits is not None else None


def gate_config(core: Core, slot: Slot, sure: dict[str, Decimal]) -> GateConfig:
    """What the gate reads of a slot's limits; `sure` are the rules that are set. An unknown contract trades nothing."""
    risk, instrument = core.state.settings.risk, core.instruments.get(slot.instrument)
    return GateConfig(
        unit=instrument.unit if instrument is not None else Decimal(1),
        min_notional=instrument.min_notional if instrument is not None else ZERO,
        max_position_notional=sure["position_notional"],
        max_order_notional=sure["order_notional"],
        max_exposure=risk.max_exposure,
        collar_ppm=_ppm(sure["price_collar"]),
        max_reference_age_ns=int(sure["reference_age_s"] * NS),
        messages_per_window=risk.messages_per_window,
        reserve_messages=risk.reserve_messages,
        window_ns=risk.message_window_ns,
    )


def make_limits(core: Core, slot: Slot) -> Limits | None:
    """Put the limits of a slot together."""
    venue, owner = venue_of(slot.account), slot.owner
    own = {name: effective(core, name, instrument=slot.instrument, strategy=owner, venue=venue) for name in RULES}
    whole = {name: effective(core, name) for name in RULES}
    if any(own[name] is None and not rule.optional for name, rule in RULES.items()):
        return None
    sure = {name: value for name, value in own.items() if value is not None}
    risk, gate = core.state.settings.risk, gate_config(core, slot, sure)

    def of_whole(name: str) -> Decimal:
        return whole[name] or Decimal(0)

    def of_venue(name: str) -> Decimal | None:
        return _unless(whole[name], effective(core, name, venue=venue))

    def of_strategy(name: str) -> Decimal | None:
        return _unless(whole[name], effective(core, name, strategy=owner))

    venue_exposure, strategy_exposure = of_venue("portfolio_exposure"), of_strategy("portfolio_exposure")
    venue_positions, strategy_positions = of_venue("open_positions"), of_strategy("open_positions")
    wide = WideLimits(
        asset_ppm=_ppm(sure["asset_fraction"]),
        exposure=money(of_whole("portfolio_exposure")),
        venue_exposure=money(venue_exposure) if venue_exposure is not None else None,
        strategy_exposure=money(strategy_exposure) if strategy_exposure is not None else None,
        leverage_ppm=_ppm(of_whole("leverage")),
        account_leverage_ppm=_ppm(sure["leverage"]),
        liquidation_ppm=_ppm(sure["liquidation_distance"]),
        min_book=money(sure["min_liquidity_usd"]),
        needs_book=core.state.settings.environment is not Environment.PAPER,
        warn_positions=int(of_whole("open_positions_warn")),
        positions=int(of_whole("open_positions")),
        venue_positions=int(venue_positions) if venue_positions is not None else None,
        strategy_positions=int(strategy_positions) if strategy_positions is not None else None,
        age_ns=_age_ns(core, owner, sure.get("position_age_s")),
        losses=int(sure["consecutive_losses"]),
        drawdown_ppm=_ppm(of_whole("portfolio_drawdown")),
        strategy_drawdown_ppm=_ppm(sure["strategy_drawdown"]),
        day_loss_ppm=_ppm(of_whole("daily_loss")),
    )
    window_s = Decimal(risk.message_window_ns) / NS
    at_venue = effective(core, "messages_per_s", venue=venue) or Decimal(0)
    of_owner = effective(core, "messages_per_s", strategy=owner) or Decimal(0)
    return Limits(
        owner,
        gate,
        wide,
        money(risk.max_exposure),
        own,
        int(of_owner * window_s),
        int(at_venue * window_s),
        f"account:{slot.account}",
        f"venue:{venue}",
        f"strategy:{owner}",
        until_ns=_first_end_ns(core),
    )


def _first_end_ns(core: Core) -> int:
    """When the first of the overrides in force ends."""
    ends = [override.until_ns for override in core.state.overrides.values()]
    return min([end for end in ends if end > core.state.ts_ns], default=NEVER)


def _age_ns(core: Core, owner: str, rule_s: Decimal | None) -> int:
    """How old a strategy's positions may get: by the rule, or by the strategy itself; 0 = as old as they like."""
    strategy = core.state.strategies.get(owner)
    set_ns = (int(rule_s * NS) if rule_s else 0, strategy.spec.position_age_ns if strategy is not None else 0)
    return min((age_ns for age_ns in set_ns if age_ns), default=0)


def _ppm(value: Decimal) -> int:
    return int(value * PPM)


def _unless(whole: Decimal | None, part: Decimal | None) -> Decimal | None:
    """What is set for a part of the portfolio by itself; None when it is the portfolio's."""
    return None if part == whole else part
