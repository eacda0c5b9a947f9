"""Commands about strategies before they are sent: completed with what the code says, and shown to who asks first."""

from __future__ import annotations

from collections.abc import Callable
from difflib import unified_diff
from itertools import islice
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from domain.commands import Command, LoadStrategy, ReloadStrategy, SetParams, StartStrategy, UnloadStrategy
from domain.facts import StrategyStatus
from domain.settings import StrategySpec, strategy_id_problem
from domain.strategy import Params, rules_of
from domain.strategy_views import AboutStrategy, StrategyProposal
from domain.text import plain
from engine.core import commands, owners, params, requests, strategies
from engine.core.core import Core
from engine.core.state import MANUAL, StrategyState, slot_key
from engine.desk_views import qty
from engine.signal_words import signal


class StrategySource(Struct, frozen=True):
    """Source text and hash of a strategy's code, recorded with `StrategyLoaded`, and what its parameters are."""

    text: str
    sha256: str
    params_type: type[Params] = Params
    origin: str = ""
    """Path of its file; "" = built in."""


SourceOf: TypeAlias = Callable[[StrategySpec], StrategySource]
MOST_COLUMNS = 100
"""Of a line of source that is shown."""


class DeskStrategies:
    """Reads one running core; `source_of` finds the code of a spec, and raises whatever that raises."""

    def __init__(self, core: Core, source_of: SourceOf | None) -> None:
        """Without `source_of` nothing is known of any code."""
        self._core = core
        self._source_of = source_of

    def filled(self, command: Command) -> Command:
        """The command with what the code says of it. Raises whatever the code raises at what it cannot take."""
        if isinstance(command, LoadStrategy) and self._source_of is not None and not command.source_hash:
            source = self._source_of(command.spec)
            return replace(command, source_hash=source.sha256, source=source.text)
        if isinstance(command, SetParams):
            return self._with_rules(command)
        if isinstance(command, ReloadStrategy) and self._source_of is not None and not command.source_hash:
            strategy = self._core.state.strategies.get(command.strategy)
            if strategy is not None and strategy.spec.kind != MANUAL:
                return replace(command, source_hash=self._source_of(strategy.spec).sha256)
        return command

    def _with_rules(self, command: SetParams) -> SetParams:
        """With what the strategy's code says of these parameters."""
        strategy = self._core.state.strategies.get(command.strategy)
        if strategy is None or self._source_of is None or strategy.spec.kind == MANUAL:
            return replace(command, rules={}, before={})
        changed = replace(strategy.spec, params={**strategy.spec.params, **command.params})
        return replace(command, rules=rules_of(self._source_of(changed).params_type, command.params), before={})

    def proposed(self, command: AboutStrategy) -> StrategyProposal:
        """What a command would come to, without doing it."""
        if isinstance(command, LoadStrategy):
            return self._load(command)
        strategy = self._core.state.strategies.get(command.strategy)
        if strategy is None:
            return StrategyProposal(problem=f"No strategy is called {command.strategy}")
        shown = self._shown(strategy.spec, strategy)
        match command:
            case StartStrategy():
                return self._start(shown, strategy, command)
            case SetParams():
                return self._set(shown, command)
            case ReloadStrategy():
                return self._reload(shown, strategy, command)
            case UnloadStrategy():
                problem = "" if command.keep_position else owners.still_holds(self._core, strategy)
                return replace(shown, problem=problem)

    def _start(self, shown: StrategyProposal, strategy: StrategyState, command: StartStrategy) -> StrategyProposal:
        if strategy.status not in {StrategyStatus.PAUSED, StrategyStatus.QUARANTINED}:
            return replace(shown, problem=f"It is {strategy.status} already")
        begins_anew = strategy.status is StrategyStatus.QUARANTINED or strategy.asleep
        source = self._read(strategy.spec) if begins_anew else None
        agreed = strategies.agreed_source(self._core, strategy)
        if source is not None and source.origin and agreed not in {"", source.sha256}:
            name = strategy.spec.id
            return replace(shown, problem=f"Its file has changed: /strategies reload {name} shows it and takes it in")
        wants = "" if begins_anew else signal(strategy.desired)
        sha256 = source.sha256 if source is not None else ""
        return replace(shown, votes=self._votes(command), source_hash=sha256, signal=wants)

    def _reload(self, shown: StrategyProposal, strategy: StrategyState, command: ReloadStrategy) -> StrategyProposal:
        if self._source_of is None:
            return replace(shown, votes=self._votes(command))
        try:
            source = self._source_of(strategy.spec)
        except Exception as error:  # noqa: BLE001 - a stranger's file may raise anything
            return replace(shown, problem=plain(error))
        if source.sha256 == strategy.source_hash and strategy.status is not StrategyStatus.QUARANTINED:
            return replace(shown, problem=f"{strategy.spec.id} runs the text of its file already")
        code = self._core.code.get(strategy.spec.id)
        before = code.source.splitlines() if code is not None else []
        lines = unified_diff(before, source.text.splitlines(), "as it runs", "as it would", lineterm="", n=1)
        text = tuple(plain(line, MOST_COLUMNS) for line in islice(lines, 2, None)) if before else ()
        return replace(shown, votes=self._votes(command), source_hash=source.sha256, text=text)

    def _set(self, shown: StrategyProposal, command: SetParams) -> StrategyProposal:
        core = self._core
        try:
            command = self._with_rules(command)
        except Exception as error:  # noqa: BLE001 - a stranger's file may raise anything
            return replace(shown, problem=plain(error))
        risky = params.add_risk(core, command)
        changes = tuple(
            f"{name}: {params.value_of(core, command, name)} -> {value}{', may add risk' if name in risky else ''}"
            for name, value in sorted(command.params.items())
        )
        source = self._read(core.state.strategies[command.strategy].spec)
        sha256 = source.sha256 if source is not None else ""
        return replace(shown, changes=changes, votes=self._votes(command), source_hash=sha256)

    def _load(self, command: LoadStrategy) -> StrategyProposal:
        spec = command.spec
        shown = self._shown(spec, None)
        problem = strategy_id_problem(spec.id) or self._in_the_way(spec)
        if problem:
            return replace(shown, problem=problem)
        if self._source_of is None:
            return replace(shown, votes=self._votes(command), changes=_given(spec.params))
        try:
            source = self._source_of(spec)
        except Exception as error:  # noqa: BLE001 - a stranger's file may raise anything
            return replace(shown, problem=plain(error))
        usual = rules_of(source.params_type, source.params_type.model_fields)
        return replace(
            shown,
            votes=self._votes(command),
            changes=_given(spec.params),
            usual=tuple(f"{name} {rule.default}" for name, rule in usual.items() if name not in spec.params),
            source_hash=source.sha256,
        )

    def _in_the_way(self, spec: StrategySpec) -> str:
        """Why nothing of that name can be loaded there now."""
        core = self._core
        if spec.id in core.state.strategies:
            return f"{spec.id} is loaded already"
        if veto := owners.misplaced(core, spec):
            return veto.detail
        for instrument in spec.instruments:
            slot = core.state.slots.get(slot_key(spec.account_of(instrument), instrument))
            if slot is None or slot.owner in {"", spec.id} or owners.is_idle_by_hand(core, slot):
                continue
            if owners.owner_is_alive(core, slot.owner, slot.key):
                return owners.whose(core, slot)
        return ""

    def _shown(self, spec: StrategySpec, strategy: StrategyState | None) -> StrategyProposal:
        core, held, working = self._core, [], []
        for instrument in spec.instruments:
            slot = core.state.slots.get(slot_key(spec.account_of(instrument), instrument))
            if slot is None:
                continue
            if amount := core.position(slot.account, instrument):
                held.append((instrument, qty(core.instruments[instrument], amount)))
            working += [order for order in slot.orders.values() if not order.cancel_ns]
        return StrategyProposal(
            kind=spec.kind,
            account=", ".join(spec.all_accounts),
            instruments=spec.instruments,
            status=strategy.status.value if strategy is not None else "",
            detail=strategy.detail if strategy is not None else "",
            source_before=strategy.source_hash if strategy is not None else "",
            held=tuple(held),
            orders=len(working),
            protections=sum(order.reduce_only for order in working),
        )

    def _votes(self, command: AboutStrategy) -> int:
        return requests.votes_for(self._core, command) if commands.takes_votes(self._core, command) else 0

    def _read(self, spec: StrategySpec) -> StrategySource | None:
        """The text that would be read now; None where it cannot be: the command is then refused with the reason."""
        try:
            return self._source_of(spec) if self._source_of is not None else None
        except Exception:  # noqa: BLE001 - as above
            return None


def _given(given: dict[str, Any]) -> tuple[str, ...]:
    return tuple(f"{name}: {value}" for name, value in sorted(given.items()))
