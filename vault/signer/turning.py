"""Carries out the exchange of keys that people have agreed to in chat, and says how far each one is.

Also of one that somebody carries out at a terminal, by the progress that it leaves on disk. What the journal knows of
it is the only memory: after a restart an exchange goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from domain.errors import MoonDevError, VenueError
from domain.keys import KeyStage, KeyStep, Turn
from vault.signer.rotate import Exchange

log = logging.getLogger(__name__)

EVERY_S = 2.0
TRIES = 3
"""Of a venue or a signer that does not answer, before people have to look."""
PAUSE_S = 20.0
LONGEST = 600
STAGES = {
    "begun": KeyStage.STAGED,
    "made": KeyStage.STAGED,
    "approved": KeyStage.STAGED,
    "verified": KeyStage.VERIFIED,
    "switched": KeyStage.SWITCHED,
}
"""By the stage that the exchange keeps."""
WORDS = {
    KeyStage.STAGED: "The new key is in the vault, the old one signs.",
    KeyStage.VERIFIED: "The venue takes the new key, the old one signs.",
    KeyStage.SWITCHED: "The new key signs; the old one is still good at the venue.",
    KeyStage.REVOKED: "The new key signs, and the exchange is over.",
    KeyStage.TAKEN_BACK: "The exchange was taken back, the old key signs.",
}
GOES_ON = frozenset({KeyStage.ASKED, KeyStage.STAGED, KeyStage.VERIFIED, KeyStage.SWITCHED})


class Left(Struct):
    """What is read of an exchange's progress."""

    key: str
    stage: str


class Keys(Protocol):
    """The service's keys, where they are exchanged."""

    def open(self, key: str) -> Exchange:
        """The exchange of one key, which goes on where it was. Raises `ConfigError`."""
        ...

    def put_ns(self, key: str) -> int:
        """When the vault was given the value that the key has now; 0 = it has none."""
        ...

    def changed(self) -> None:
        """Keys have changed: whoever uses them has to look again."""
        ...


class Turning:
    """One per engine. `turns` is what the journal knows, `report` journals; `folder` holds the venues' folders."""

    def __init__(
        self, folder: Path, keys: Keys, turns: Callable[[], Mapping[str, Turn]], report: Callable[[KeyStep], None]
    ) -> None:
        """Nothing is begun."""
        self._folder = folder
        self._keys = keys
        self._turns = turns
        self._report = report
        self._said: dict[str, KeyStage] = {}
        self._working: dict[str, asyncio.Task[None]] = {}
        self._by_hand: set[str] = set()
        self._stuck: dict[str, KeyStage] = {}
        """Where exchanges that have failed stand still."""

    async def run(self) -> None:
        """Look until cancelled; what is under way is then left as it is, to be gone on with."""
        try:
            while True:
                try:
                    self.look()
                except Exception:  # what else runs beside the engine must not end by it
                    log.exception("the exchange of keys cannot be looked at")
                await asyncio.sleep(EVERY_S)
        finally:
            for task in self._working.values():
                task.cancel()
            await asyncio.gather(*self._working.values(), return_exceptions=True)

    def look(self) -> None:
        """Begin, or go on with, what people have agreed to; and see what is done elsewhere."""
        for key in [key for key, task in self._working.items() if task.done()]:
            del self._working[key]
        left = self._left()
        for key, turn in self._turns().items():
            if turn.by and turn.stage in GOES_ON and not {key} & (self._working.keys() | self._by_hand):
                self._begin(key)
        for key in self._working:
            left.pop(key, None)
        for key, stage in left.items():
            turn_of = self._turns().get(key)
            if turn_of is not None and turn_of.stage is KeyStage.FAILED and self._stuck.setdefault(key, stage) is stage:
                continue
            self._stuck.pop(key, None)
            self._say(key, stage, WORDS[stage])
        for key, turn in self._turns().items():
            is_there = key in left or key in self._working
            if not is_there and self._said.get(key, turn.stage) in STAGES.values():
                is_new = self._keys.put_ns(key) > turn.since_ns or turn.stage is KeyStage.SWITCHED
                over = KeyStage.REVOKED if is_new else KeyStage.TAKEN_BACK
                self._say(key, over, WORDS[over])

    def _left(self) -> dict[str, KeyStage]:
        """How far exchanges are, by what they have left on disk."""
        found = {}
        for path in sorted(self._folder.glob("*/rotation-*.json")):
            try:
                progress = msgspec.json.decode(path.read_bytes(), type=Left)
            except (OSError, msgspec.DecodeError) as error:
                log.warning("%s cannot be read: %s", path, error)
                continue
            found[progress.key] = STAGES.get(progress.stage, KeyStage.STAGED)
        return found

    def _begin(self, key: str) -> None:
        self._said.pop(key, None)
        self._stuck.pop(key, None)
        try:
            exchange = self._keys.open(key)
        except MoonDevError as error:
            self._say(key, KeyStage.FAILED, words(error))
            return
        if exchange.is_automatic:
            self._working[key] = asyncio.get_running_loop().create_task(self._carry_out(key, exchange))
        else:
            self._by_hand.add(key)

    async def _carry_out(self, key: str, exchange: Exchange) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                await exchange.run(lambda text: self._say(key, self._stage_of(key), text))
            except VenueError as error:
                if attempt == TRIES:
                    self._say(key, KeyStage.FAILED, words(error))
                    return
                log.warning("the exchange of %s is tried again: %s", key, error)
                await asyncio.sleep(PAUSE_S)
            except (MoonDevError, OSError) as error:
                self._say(key, KeyStage.FAILED, words(error))
                return
            except Exception as error:
                log.exception("the exchange of %s has failed", key)
                self._say(key, KeyStage.FAILED, f"An error of ours: {type(error).__name__}. The log says more.")
                return
            else:
                self._say(key, KeyStage.REVOKED, WORDS[KeyStage.REVOKED])
                self._keys.changed()
                return

    def _stage_of(self, key: str) -> KeyStage:
        return self._left().get(key, KeyStage.SWITCHED)

    def _say(self, key: str, stage: KeyStage, text: str) -> None:
        """Once for each stage."""
        turn = self._turns().get(key)
        if self._said.get(key, turn.stage if turn is not None else None) is not stage:
            self._said[key] = stage
            self._report(KeyStep(key=key, stage=stage, text=text))


def words(error: Exception) -> str:
    """An error as a sentence for people."""
    text = str(error)[:LONGEST]
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'} Then ask again: it goes on where it was."
