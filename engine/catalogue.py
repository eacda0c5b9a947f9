"""Which strategies can be had: the built-in kinds and those of the user's files, and which files cannot be used.

Used wherever settings are checked or a service starts, so that all of them say the same. Each of the user's files
is run, watched: one that is broken, unfinished or never comes back costs its own strategies and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from msgspec import Struct

from domain.commands import Actor, Door, LoadStrategy
from domain.errors import ConfigError, StrategyError
from domain.events import CommandReceived
from domain.settings import StrategySpec
from domain.strategy import Params
from domain.text import error_text, plain
from engine.config import Config, load_config
from engine.core.guard import Guard, StrategyHung, guarding
from engine.desk_strategies import StrategySource
from engine.strategies import registry

CHECK_S = 10.0


class Catalogue(Struct, frozen=True):
    """Parameter model of every kind, and what is wrong with each file that cannot be used, by its name."""

    kinds: dict[str, type[Params]]
    broken: dict[str, str]


def catalogue(folder: Path) -> Catalogue:
    """Look through the user's folder of strategies; it need not exist. To be called on the main thread."""
    found = Catalogue(built_in(), {})
    with guarding() as guard:
        for path in registry.files(folder):
            try:
                found.kinds.update(kinds_in(path, found, guard))
            except StrategyError as error:
                text = plain(error)
                found.broken[plain(path.name)] = text if path.name in text else f"{plain(path)}: {text}"
            except Exception as error:  # noqa: BLE001 - reading a stranger's classes may raise anything
                found.broken[plain(path.name)] = f"{plain(path)}: {error_text(error)}"
    return found


def built_in() -> dict[str, type[Params]]:
    """Parameter models of the built-in kinds."""
    return {kind: cls.params_type for kind, cls in registry.BUILT_IN.items()}


def kinds_in(path: Path, found: Catalogue, guard: Guard) -> dict[str, type[Params]]:
    """The kinds of one file. Raises `StrategyError` that says why it cannot be used."""
    declared = registry.kinds_of(path)
    if not declared:
        raise StrategyError(f'{path}: no class in it is a strategy with a name of its own: kind = "..."')
    kinds: dict[str, type[Params]] = {}
    for kind, class_name in declared.items():
        if kind in found.kinds and kind not in registry.BUILT_IN:
            raise StrategyError(f"{path}: kind {kind!r} is declared by another file of the folder too; rename one")
        kinds[kind] = guard.call(partial(registry.load_file, path, class_name)).strategy.params_type
    return kinds


def check_settings(path: Path | None, environment: str, found: Catalogue) -> Config:
    """The settings of a file, every kind and parameter checked. Raises `ConfigError` with every mistake."""
    return _watched(partial(load_config, path, environment, found.kinds))


def start_settings(path: Path | None, environment: str, found: Catalogue, *, has_run: bool) -> Config:
    """The same for a start, which what is wrong with the user's own strategies does not prevent.

    A kind that may be in a broken file is left to be quarantined; so are all that are not built in where the engine
    `has_run` before: then its journal says which strategies there are.
    """
    kinds = built_in() if has_run else found.kinds
    all_kinds = not (has_run or found.broken)
    return _watched(partial(load_config, path, environment, kinds, all_kinds=all_kinds))


def _watched(work: partial[Config]) -> Config:
    """Check settings with the parameter models of the user's files, which may never come to an end."""
    with guarding(load_s=CHECK_S) as guard:
        try:
            return guard.call(work)
        except StrategyHung:
            raise ConfigError("the parameters of a strategy of your own cannot be checked: it never ends") from None


def seed(spec: StrategySpec, source_of: Callable[[StrategySpec], StrategySource]) -> CommandReceived:
    """The configuration's own wish to load a strategy, as an empty journal begins with it."""
    command = LoadStrategy(spec=spec)
    with suppress(Exception):
        # what is wrong with it is found again, and told, when the engine loads it
        source = source_of(spec)
        command = LoadStrategy(spec=spec, source_hash=source.sha256, source=source.text)
    actor = Actor(person="", door=Door.SYSTEM)
    return CommandReceived(actor=actor, command=command, request_id=f"settings:{spec.id}")
