"""Which change of a strategy's parameters adds risk: what its code declares of each, and everything it does not.

qty: Annotated[float, AddsRisk.RAISED] = Field(...)      a larger one adds risk
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from domain.commands import AddsRisk, PutsToWork, ReloadStrategy, SetParams, StartStrategy
from domain.verdict import Reason, Veto
from engine.core.core import Core

MISSING = "not set"


def value_of(core: Core, command: SetParams, name: str) -> Any:  # noqa: ANN401 - a strategy's own parameter
    """What is in force of a parameter: given, or the default that the code has declared."""
    given = core.state.strategies[command.strategy].spec.params
    rule = command.rules.get(name)
    return given.get(name, rule.default if rule is not None else MISSING)


def add_risk(core: Core, command: SetParams) -> list[str]:
    """Names of the parameters whose change adds risk, or may."""
    return [
        name
        for name, value in sorted(command.params.items())
        if adds(
            command.rules[name].adds if name in command.rules else AddsRisk.ALWAYS, value_of(core, command, name), value
        )
    ]


def adds(when: AddsRisk, before: object, after: object) -> bool:
    """Whether a change adds risk. What cannot be compared as numbers does, unless no change does."""
    if when is AddsRisk.NEVER or (type(before) is type(after) and before == after):
        return False
    if when is AddsRisk.ALWAYS or not (_is_number(before) and _is_number(after)):
        return before != after or type(before) is not type(after)
    return after > before if when is AddsRisk.RAISED else after < before  # type: ignore[operator, no-any-return]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and isfinite(value)


def words(core: Core, command: SetParams) -> str:
    """The change, old values and new."""
    parts = [
        f"{name} from {value_of(core, command, name)} to {value}" for name, value in sorted(command.params.items())
    ]
    risky = add_risk(core, command)
    return f"change {command.strategy}: {', '.join(parts)} ({', '.join(risky)} may add risk)"


def work_words(command: PutsToWork) -> str:
    """Which code is to act."""
    if isinstance(command, StartStrategy):
        return f"start {command.strategy}"
    if isinstance(command, ReloadStrategy):
        return f"let {command.strategy} run its file as it is now, source {command.source_hash[:8]}"
    spec = command.spec
    given = "".join(f", {name} {value}" for name, value in sorted(spec.params.items()))
    code = f", source {command.source_hash[:8]}" if command.source_hash else ""
    accounts, instruments = ", ".join(spec.all_accounts), ", ".join(spec.instruments)
    return f"load {spec.kind} as {spec.id} on {accounts} for {instruments}{given}{code}"


def before(core: Core, command: SetParams) -> dict[str, Any]:
    """The values that a change starts from."""
    return {name: value_of(core, command, name) for name in command.params}


def moved(core: Core, command: SetParams) -> Veto | None:
    """Why what was asked for is another change by now."""
    if command.strategy not in core.state.strategies:
        return Veto(Reason.NO_SUCH, f"strategy {command.strategy}")
    if command.before and before(core, command) != command.before:
        return Veto(Reason.MOVED, f"{command.strategy} has other parameters by now")
    return None
