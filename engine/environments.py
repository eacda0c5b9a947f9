"""The environments by the names that people use for them, and `--env`, which chooses the data folder of one.

dev = paper (simulated money), staging = testnet (a venue's own test money), prod = live. Every environment has its own
settings file, data folder and journal; none starts as another.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domain.errors import ConfigError

OPTION = "--env"
NAMES = {
    "dev": "paper",
    "paper": "paper",
    "staging": "testnet",
    "testnet": "testnet",
    "prod": "live",
    "live": "live",
}
VERBS = {
    "run", "halt", "flatten", "console", "login", "watchdog", "replay", "doctor", "rebuild", "archive", "incident",
    "apply-settings", "init", "vault", "signer",
}  # fmt: skip
"""Verbs that work on one data folder."""
STARTS = "run"


def environment_named(name: str) -> str:
    """The environment that a name means. Raises `ConfigError`."""
    found = NAMES.get(name.lower())
    if found is None:
        raise ConfigError(f"{OPTION} {name!r}: say dev (paper), staging (testnet) or prod (live)")
    return found


def with_environment(arguments: Sequence[str]) -> list[str]:
    """A command line in which `--env NAME` has become the data folder of that environment.

    Raises `ConfigError` for a name that is none, a verb without a data folder, and settings or a folder of another one.
    """
    words, name = _taken(arguments, OPTION)
    if name is None:
        return words
    from engine.config import environment_of, remembered
    from engine.config.remember import NAME, REMEMBERED

    environment = environment_named(name)
    verb = next((word for word in words if not word.startswith("-")), "")
    if verb not in VERBS:
        raise ConfigError(f"{OPTION} is for verbs that work on a data folder: {', '.join(sorted(VERBS))}")
    data = _taken(words, "--data")[1]
    config = _taken(words, "--config")[1]
    if verb == STARTS:
        own = Path(data or Path(".moondev") / environment) / NAME
        file = Path(config) if config is not None else own if own.is_file() else None
        _same(environment, environment_of(file), "the settings are")
    if data is not None:
        if (Path(data) / REMEMBERED).is_file():
            _same(environment, environment_of(remembered(Path(data))), f"{data} is")
        return words
    return [*words, "--data", str(Path(".moondev") / environment)]


def _same(wanted: str, found: str, what: str) -> None:
    if found != wanted:
        raise ConfigError(f"{OPTION} says {wanted}, but {what} for {found}: give the file and folder of {wanted}")


def _taken(words: Sequence[str], option: str) -> tuple[list[str], str | None]:
    """The words without an option, and its value. Raises `ConfigError` when the value is missing."""
    left, value = list(words), None
    for i, word in enumerate(words):
        if word.startswith(f"{option}="):
            return [*words[:i], *words[i + 1 :]], word.partition("=")[2]
        if word == option:
            if i + 1 == len(words):
                raise ConfigError(f"{option} needs a value")
            return [*words[:i], *words[i + 2 :]], words[i + 1]
    return left, value
