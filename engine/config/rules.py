"""The rules of risk in a settings file: one section per kind of scope, made from the table of rules.

risk:
portfolio: {leverage: 3, open_positions: 20}
venue: {BINANCE: {leverage: 2}}
strategy: {turtle-eth: {position_age_s: 3600}}
instrument: {BTC-USDC-PERP.PAPER: {asset_fraction: 5%}}
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import BeforeValidator, create_model

from engine.config.fields import exact_number, expected
from engine.config.section import Section
from risk.rules import RULES, Rule, ScopeKind, Unit


def reader(rule: Rule) -> Callable[[Any], Decimal]:
    """Reads a value of a rule; a fraction may be written as percent."""
    what = f"a number from {rule.least:f} to {rule.most:f}"
    if rule.unit is Unit.FRACTION:
        what += ", such as 0.05 or 5%"

    def read(value: Any) -> Decimal:  # noqa: ANN401 - from a file
        if rule.unit is Unit.FRACTION and isinstance(value, str) and value.strip().endswith("%"):
            value = exact_number(value.strip()[:-1], what) / 100
        number = exact_number(value, what)
        if rule.problem(number):
            raise expected(f"a whole {what[2:]}" if rule.unit is Unit.COUNT else what)
        return number

    return read


def rules_section(kind: ScopeKind) -> type[Section]:
    """The rules that can be set for this kind of scope; what is left out is not set."""
    fields: dict[str, Any] = {
        rule.name: (Annotated[Decimal | None, BeforeValidator(reader(rule))], None)
        for rule in RULES.values()
        if kind in rule.scopes
    }
    made: type[Section] = create_model(f"{kind.name.capitalize()}Rules", __base__=Section, **fields)
    return made


if TYPE_CHECKING:
    PortfolioRules: TypeAlias = Section
    VenueRules: TypeAlias = Section
    StrategyRules: TypeAlias = Section
    InstrumentRules: TypeAlias = Section
else:
    PortfolioRules = rules_section(ScopeKind.PORTFOLIO)
    VenueRules = rules_section(ScopeKind.VENUE)
    StrategyRules = rules_section(ScopeKind.STRATEGY)
    InstrumentRules = rules_section(ScopeKind.INSTRUMENT)


def values_of(section: Section) -> dict[str, Decimal]:
    """What a section sets."""
    values: dict[str, Decimal] = section.model_dump(exclude_none=True)
    return values
