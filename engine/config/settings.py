"""From the checked file to what the core carries: exact integers and nanoseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from domain.errors import ConfigError, Unrepresentable
from domain.instrument import ZERO, Instrument
from domain.settings import (
    HOUR_NS,
    MINUTE_NS,
    SECOND_NS,
    AccountSpec,
    AllocationSettings,
    ApprovalSettings,
    Environment,
    ExecutionSettings,
    FailoverSpec,
    Limits,
    Person,
    RiskSettings,
    RoleName,
    Settings,
    Strangers,
    StrategySpec,
)
from engine.config.breakers import to_breakers
from engine.config.models import (
    AccountSection,
    Config,
    InstrumentSection,
    LimitsSection,
    PersonSection,
    StrategySection,
)
from engine.config.rules import values_of
from engine.config.section import Section
from engine.config.venues import VenueAccountSection

PAPER_EXECUTION = {"reconcile_every_ns": MINUTE_NS, "dead_man_ns": 0}
REAL_EXECUTION = {"reconcile_every_ns": 30 * SECOND_NS, "dead_man_ns": MINUTE_NS}
"""A real venue is compared all the time, and watches over us where it can."""
LIVE_APPROVALS = {"codes": True, "load_votes": 1, "role_wait_ns": 24 * HOUR_NS, "link_wait_ns": 24 * HOUR_NS}
"""With real money every vote has its code, and new people and links wait."""


def to_settings(config: Config, listed: Sequence[Instrument] = ()) -> Settings:
    """The core's settings. Raises `ConfigError` for an instrument whose numbers do not fit, or that is not listed."""
    known = {instrument.id: instrument for instrument in listed}
    missing = [name for name in config.venue_instruments if name not in known]
    if missing:
        raise ConfigError(f"{', '.join(missing)}: not read from the venue yet")
    own = without_listed(config)
    return replace(own, instruments=own.instruments + tuple(known[name] for name in config.venue_instruments))


def without_listed(config: Config) -> Settings:
    """The core's settings without the contracts that are read from venues. Raises `ConfigError`."""
    real = [account for venue in config.venues for account in venue.accounts]
    return Settings(
        environment=Environment(config.environment),
        instruments=tuple(_checked(item) for item in config.instruments),
        accounts=(*(_account(a, a.deposit) for a in config.accounts), *(_account(a, ZERO) for a in real)),
        persons=tuple(to_person(item) for item in config.persons),
        risk=to_risk(config),
        approvals=to_approvals(config),
        execution=_execution(config),
        breakers=to_breakers(config.breakers),
        allocation=AllocationSettings(**config.allocation.model_dump()),
        failover=tuple(FailoverSpec(**item.model_dump()) for item in config.failover),
        strategies=tuple(to_strategy(item) for item in config.strategies),
    )


def _account(item: AccountSection | VenueAccountSection, deposit: Decimal) -> AccountSpec:
    policy = Strangers(item.on_foreign_order)
    return AccountSpec(id=item.id, currency=item.currency, deposit=deposit, on_foreign_order=policy)


def to_instrument(item: InstrumentSection) -> Instrument:
    """One contract in integer scale. Raises `Unrepresentable` when a number does not fit."""
    price_decimals = _decimals(item.tick_size) if item.price_decimals is None else item.price_decimals
    qty_decimals = _decimals(item.lot_size) if item.qty_decimals is None else item.qty_decimals
    lot = _scaled(item, "lot_size", item.lot_size, qty_decimals)
    return Instrument(
        id=item.id,
        venue_symbol=item.symbol or item.id.partition("-")[0],
        price_decimals=price_decimals,
        qty_decimals=qty_decimals,
        tick=_scaled(item, "tick_size", item.tick_size, price_decimals),
        lot=lot,
        max_significant=item.max_significant,
        min_qty=_scaled(item, "min_qty", item.min_qty, qty_decimals) or lot,
        max_qty=_scaled(item, "max_qty", item.max_qty, qty_decimals),
        min_notional=item.min_notional,
        multiplier=item.multiplier,
        maker_fee=item.maker_fee,
        taker_fee=item.taker_fee,
        initial_margin=item.initial_margin,
        maintenance_margin=item.maintenance_margin,
        funding_interval_ns=item.funding_interval_ns,
        aliases=tuple(item.aliases),
    )


def _checked(item: InstrumentSection) -> Instrument:
    try:
        return to_instrument(item)
    except Unrepresentable as error:
        raise ConfigError(str(error)) from None


def _decimals(step: Decimal) -> int:
    return len(f"{step:f}".partition(".")[2])


def _scaled(item: InstrumentSection, key: str, value: Decimal, decimals: int) -> int:
    scaled = value.scaleb(decimals)
    if scaled != int(scaled):
        raise Unrepresentable(f"{item.id}: {key} {value} needs more than {decimals} decimals")
    return int(scaled)


def _limits(item: LimitsSection) -> Limits:
    return Limits(**item.model_dump())


def to_risk(config: Config) -> RiskSettings:
    """The limits alone."""
    risk = config.risk
    return RiskSettings(
        limits={instrument: _limits(item) for instrument, item in sorted(risk.limits.items())},
        default_limits=_limits(risk.default_limits) if risk.default_limits else None,
        portfolio=values_of(risk.portfolio),
        venue=_scoped(risk.venue),
        strategy=_scoped(risk.strategy),
        instrument=_scoped(risk.instrument),
        **risk.model_dump(exclude={"limits", "default_limits", "portfolio", "venue", "strategy", "instrument"}),
    )


def _scoped(sections: Mapping[str, Section]) -> dict[str, dict[str, Decimal]]:
    return {name: values_of(section) for name, section in sorted(sections.items())}


def _execution(config: Config) -> ExecutionSettings:
    """What the file leaves out is what its environment needs."""
    said = config.execution.model_dump(exclude_none=True)
    by_environment = PAPER_EXECUTION if config.environment == "paper" else REAL_EXECUTION
    return ExecutionSettings(**{**by_environment, **said})


def to_approvals(config: Config) -> ApprovalSettings:
    """What the file leaves out is what its environment needs."""
    said = config.approvals.model_dump(exclude_none=True)
    by_environment = LIVE_APPROVALS if config.environment == "live" else {}
    role = RoleName[config.approvals.approver_role.upper()]
    return ApprovalSettings(**{**by_environment, **said, "approver_role": role})


def to_person(item: PersonSection) -> Person:
    """One person as the core carries them."""
    return Person(
        id=item.id,
        name=item.name or item.id.capitalize(),
        role=RoleName[item.role.upper()],
        telegram_user_id=item.telegram_user_id,
        discord_user_id=item.discord_user_id,
    )


def to_strategy(item: StrategySection) -> StrategySpec:
    """One strategy as the core carries it."""
    return StrategySpec(
        id=item.id,
        kind=item.kind,
        account=item.account,
        accounts=tuple(item.accounts),
        instruments=tuple(item.instruments),
        params={key: natural(value) for key, value in item.params.items()},
        autostart=item.autostart,
        priority=item.priority,
        position_age_ns=item.position_age_ns,
    )


def natural(value: Any) -> Any:  # noqa: ANN401 - a strategy's own parameter
    """A parameter as strategies take it: numbers with a point are float64."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: natural(item) for key, item in value.items()}
    if isinstance(value, list):
        return [natural(item) for item in value]
    return value
