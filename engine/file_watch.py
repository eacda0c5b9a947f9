"""Watches the files of people beside a running service.

Of the settings file is told what it would change, and nothing is applied; strategies are `strategy_watch`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from domain.diff import diff
from domain.errors import ConfigError
from domain.events import Event
from domain.files import SettingsFileRead
from domain.instrument import Instrument
from domain.settings import Settings
from engine.catalogue import built_in
from engine.config import Config, load_config, remembered
from engine.core.core import Core
from engine.desk_strategies import SourceOf
from engine.strategy_watch import StrategyWatch

LOOK_EVERY_S = 2.0


class FileWatch:
    """One file. `read` gives the settings that it asks for now (raises `ConfigError`), `in_force` those there are."""

    def __init__(self, path: Path, read: Callable[[], Settings], in_force: Callable[[], Settings]) -> None:
        """Nothing is read yet."""
        self._path = path
        self._read = read
        self._in_force = in_force
        self._stamp: tuple[int, int] | None = None
        self._seen: Settings | None = None
        self._wanted: Settings | None = None
        self._told: tuple[tuple[str, ...], str] = ((), "")

    def look(self) -> SettingsFileRead | None:
        """What is to be told now, None when it is the same as before."""
        stamp = self._stamp_now()
        is_news = stamp != self._stamp
        if not is_news and self._in_force() is self._seen:
            return None
        problem = ""
        if is_news:
            self._stamp, self._wanted = stamp, None
            try:
                self._wanted = self._read()
            except ConfigError as error:
                problem = str(error)
        self._seen = self._in_force()
        changes = tuple(diff(self._seen, self._wanted)) if self._wanted is not None else ()
        if (changes, problem) == self._told:
            return None
        self._told = changes, problem
        return SettingsFileRead(file=str(self._path), changes=changes, problem=problem, is_news=is_news)

    def _stamp_now(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_size

    async def run(self, put: Callable[[SettingsFileRead], None]) -> None:
        """Look until cancelled."""
        while True:
            if (event := self.look()) is not None:
                put(event)
            await asyncio.sleep(LOOK_EVERY_S)


async def watch_files(
    data: Path,
    config: Config,
    contracts: Sequence[Instrument],
    core: Core,
    source_of: SourceOf,
    put: Callable[[Event], None],
) -> None:
    """Watch the settings file and the strategies that people write themselves."""
    takes_in = config.environment == "paper" and config.own_strategies.reload != "ask"
    async with asyncio.TaskGroup() as watches:
        watches.create_task(StrategyWatch(core, source_of, takes_in=takes_in).run(put), name="strategy files")
        watches.create_task(watch_settings(data, config, contracts, core, put), name="settings file")


async def watch_settings(
    data: Path, config: Config, contracts: Sequence[Instrument], core: Core, put: Callable[[Event], None]
) -> None:
    """Watch the file that the service in a data folder was started with, if it was started with one."""
    file = remembered(data)
    if file is None:
        return

    def read() -> Settings:
        return load_config(file, config.environment, built_in(), all_kinds=False).to_settings(contracts)

    await FileWatch(file, read, lambda: core.state.settings).run(put)
