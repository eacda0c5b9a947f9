"""Events of people's own files: what the driver found in them. See `domain.events`."""

from __future__ import annotations

from msgspec import Struct


class StrategyFileBroken(Struct, kw_only=True, tag="strategy_file", array_like=True):
    """The driver found a file in the user's folder of strategies that cannot be used."""

    seq: int = 0
    ts_ns: int = 0
    file: str
    problem: str


class StrategyFileChanged(Struct, kw_only=True, tag="strategy_changed", array_like=True):
    """A file in the user's folder has another text now than what these strategies run."""

    seq: int = 0
    ts_ns: int = 0
    file: str
    strategies: tuple[str, ...]


class SettingsFileRead(Struct, kw_only=True, tag="settings_file", array_like=True):
    """The driver has read the settings file, and it says something else than before: its difference, or its mistakes.

    `changes` against the settings in force; empty and no `problem` = the file says the same.
    """

    seq: int = 0
    ts_ns: int = 0
    file: str
    changes: tuple[str, ...] = ()
    problem: str = ""
    is_news: bool = True
    """The file itself has changed; else the settings in force have."""
