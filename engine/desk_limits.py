"""Every limit for people: what holds, what it is from, everywhere it is set, and how much of it is used."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from domain.account import venue_of
from domain.detail_views import LimitSetView, LimitView
from domain.risk_views import LimitUseView
from domain.settings import RiskSettings
from engine.core.core import Core
from engine.core.limits import configured, effective
from engine.limit_use import limit_uses
from risk.limits import NS
from risk.rules import INSTRUMENT, PORTFOLIO, RULES, STRATEGY, VENUE, Rule

MAX_EXPOSURE = "max_exposure"
"""Of each account: the one limit that is no rule."""


def limits(core: Core) -> tuple[LimitView, ...]:
    """One row for each limit, the fullest first, then those without a measure."""
    uses = {use.rule: use for use in limit_uses(core)}
    rows = [_row(core, rule, uses.get(name)) for name, rule in RULES.items()]
    rows.append(_of_accounts(core, uses.get(MAX_EXPOSURE)))
    return tuple(sorted(rows, key=lambda row: (row.share is None, -(row.share or 0))))


def _row(core: Core, rule: Rule, use: LimitUseView | None) -> LimitView:
    scope = use.scope if use is not None else PORTFOLIO.value
    names = _names(core, scope)
    value = use.limit if use is not None else effective(core, rule.name, **names)
    sets = tuple(_sets(core, rule))
    return LimitView(
        rule=rule.name,
        guards=rule.guards,
        unit=rule.unit.value,
        scope=scope,
        value=value,
        source=_source(sets, value, names),
        used=use.used if use is not None else None,
        share=use.share if use is not None else None,
        default=rule.default_in(core.state.settings.environment),
        scopes=tuple(kind.value for kind in rule.scopes),
        is_hard=rule.hard,
        is_optional=rule.optional,
        is_least=not rule.raising_adds_risk,
        sets=sets,
    )


def _of_accounts(core: Core, use: LimitUseView | None) -> LimitView:
    value = core.state.settings.risk.max_exposure
    stands = LimitSetView(scope="each account", value=value, source=f"risk.{MAX_EXPOSURE}")
    return LimitView(
        rule=MAX_EXPOSURE,
        guards="the sum of the worst sides of everything in one account",
        unit="USD",
        scope=use.scope if use is not None else "each account",
        value=value,
        source=stands.source,
        used=use.used if use is not None else None,
        share=use.share if use is not None else None,
        default=None,
        scopes=("account",),
        is_hard=True,
        is_optional=False,
        is_least=False,
        sets=(stands,),
    )


def _names(core: Core, scope: str) -> dict[str, str]:
    """What falls under the scope that a measure was taken at, as `effective` asks for it."""
    if scope in core.instruments:
        owners = {slot.owner for slot in core.state.slots.values() if slot.instrument == scope and slot.owner}
        return {"instrument": scope, "strategy": next(iter(sorted(owners)), "")}
    if scope in core.state.strategies:
        return {"strategy": scope}
    return {"venue": venue_of(scope)} if scope in core.state.accounts else {}


def _source(sets: tuple[LimitSetView, ...], value: Decimal | None, names: dict[str, str]) -> str:
    """Which of the places says the value that holds: overrides stand before settings, the narrow before the wide."""
    if value is None:
        return "set nowhere"
    applies = {PORTFOLIO.value, *(f"{kind}:{name}" for kind, name in names.items() if name)}
    found = [one for one in sets if one.scope in applies and one.value == value]
    return found[0].source if found else "the settings"


def _sets(core: Core, rule: Rule) -> Iterator[LimitSetView]:
    """Every value of a rule: overrides, then what the settings say from the narrow to the wide, then the default."""
    now_ns, risk = core.state.ts_ns, core.state.settings.risk
    for override in core.state.overrides.values():
        if override.rule == rule.name and override.since_ns <= now_ns < override.until_ns:
            yield LimitSetView(
                scope=override.scope,
                value=override.value,
                source=f"override {override.request}",
                until_ns=override.until_ns,
            )
    for kind, section in ((INSTRUMENT, risk.instrument), (STRATEGY, risk.strategy), (VENUE, risk.venue)):
        for name, values in section.items():
            if rule.name in values:
                path = f"risk.{kind.value}.{name}.{rule.name}"
                yield LimitSetView(scope=f"{kind.value}:{name}", value=values[rule.name], source=path)
    older = _older(rule.name)
    for name, listed in risk.limits.items():
        if older and (value := _listed(listed, older)) is not None:
            path = f"risk.limits.{name}.{older.removesuffix('_ns')}"
            yield LimitSetView(scope=f"{INSTRUMENT.value}:{name}", value=value, source=path)
    yield from _of_portfolio(core, risk, rule, older)


def _of_portfolio(core: Core, risk: RiskSettings, rule: Rule, older: str) -> Iterator[LimitSetView]:
    """What holds where nothing narrower says otherwise: one value at most."""
    scope, default = PORTFOLIO.value, rule.default_in(core.state.settings.environment)
    if rule.name in risk.portfolio:
        yield LimitSetView(scope=scope, value=risk.portfolio[rule.name], source=f"risk.portfolio.{rule.name}")
    elif (value := configured(core, rule.name)) is not None:
        path = {"base_fraction": "base_position_fraction", "asset_fraction": "max_position_fraction"}.get(rule.name)
        if rule.name == "messages_per_s":
            path = "messages_per_window"
        if path is None and older and risk.default_limits is not None:
            path = f"default_limits.{older.removesuffix('_ns')}"
        is_default = value == default and (path is None or rule.name != "messages_per_s")
        yield LimitSetView(scope=scope, value=value, source="default" if is_default else f"risk.{path}")


def _older(rule: str) -> str:
    """The field of the older kind of limits that says the same as a rule, "" where there is none."""
    return {
        "position_notional": "max_position_notional",
        "order_notional": "max_order_notional",
        "price_collar": "price_collar",
        "reference_age_s": "max_reference_age_ns",
    }.get(rule, "")


def _listed(listed: object, field: str) -> Decimal | None:
    value = getattr(listed, field)
    if value is None:
        return None
    return Decimal(value) / NS if field.endswith("_ns") else Decimal(value)
