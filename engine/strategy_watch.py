"""Watches the user's folder of strategies while the service runs: what changed is told, on paper also taken in.

A file counts as changed when it has stayed the same for one look, so that half of a file that is being written is not
taken for one that is broken. Only what runs of it is told about: a new file is there by itself when it is asked for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from domain.commands import Actor, Door, ReloadStrategy
from domain.events import CommandReceived, Event
from domain.facts import StrategyStatus
from domain.files import StrategyFileBroken, StrategyFileChanged
from domain.settings import StrategySpec
from domain.text import plain
from engine.core.core import Core
from engine.desk_strategies import SourceOf

LOOK_EVERY_S = 1.0
Stamp = tuple[int, ...]


class StrategyWatch:
    """The files that loaded strategies came from. `takes_in`: reload them without being asked (paper alone)."""

    def __init__(self, core: Core, source_of: SourceOf, *, takes_in: bool) -> None:
        """Nothing is looked at yet."""
        self._core = core
        self._source_of = source_of
        self._takes_in = takes_in
        self._seen: dict[str, Stamp] = {}
        self._settled: dict[str, Stamp] = {}
        self._moved: dict[str, str] = {}

    def look(self) -> Iterator[Event]:
        """What is to be told, or done, now. A file is read at first too: it may have changed since it was loaded."""
        for origin, specs in self._files().items():
            stamp = stamp_of(Path(origin))
            before, self._seen[origin] = self._seen.get(origin, stamp), stamp
            if stamp != before or stamp == self._settled.get(origin):
                continue
            self._settled[origin] = stamp
            yield from self._changed(origin, specs)

    def _files(self) -> dict[str, list[StrategySpec]]:
        """Files of loaded strategies, with what was loaded from each; one in quarantine waits for a person."""
        found: dict[str, list[StrategySpec]] = {}
        for name, code in self._core.code.items():
            strategy = self._core.state.strategies.get(name)
            origin = str(getattr(code, "origin", ""))
            if origin and strategy is not None and strategy.status is not StrategyStatus.QUARANTINED:
                found.setdefault(self._moved.get(origin, origin), []).append(strategy.spec)
        return found

    def _changed(self, origin: str, specs: list[StrategySpec]) -> Iterator[Event]:
        file = Path(origin).name
        others: list[tuple[str, str]] = []
        for spec in specs:
            try:
                source = self._source_of(spec)
            except Exception as error:  # noqa: BLE001 - a stranger's file may raise anything
                yield StrategyFileBroken(file=file, problem=plain(error))
                return
            if source.origin:  # its kind is in another file by now: that is the one to watch
                self._moved[self._core.code[spec.id].origin] = source.origin
            if source.sha256 != self._core.state.strategies[spec.id].source_hash:
                others.append((spec.id, source.sha256))
        if others and not self._takes_in:
            yield StrategyFileChanged(file=file, strategies=tuple(name for name, _ in others))
        elif others:
            actor = Actor(person="", door=Door.SYSTEM)
            for name, sha256 in others:
                command = ReloadStrategy(strategy=name, source_hash=sha256)
                # with the time: a text that was there before, and is put back, is asked for again
                request_id = f"reload:{name}:{sha256}:{time.time_ns()}"
                yield CommandReceived(actor=actor, command=command, request_id=request_id)

    async def run(self, put: Callable[[Event], None]) -> None:
        """Look until cancelled."""
        while True:
            for event in self.look():
                put(event)
            await asyncio.sleep(LOOK_EVERY_S)


def stamp_of(path: Path) -> Stamp:
    """Which file it is, when it was last written and changed, and its size; nothing where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
