"""The verb table as the gateway knows it: asked of the engine, and again now and then, as that may be another build."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from domain.answer import NotKnown
from domain.verb_views import VerbView
from gateway.source import Source

FRESH_S: Final = 30.0


class VerbTable:
    """Verbs by their name in an address."""

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        self.document: bytes | None = None
        """What was written from these verbs, by whoever writes it."""
        self._source = source
        self._clock = clock
        self._raw = b""
        self._by_path: dict[str, VerbView] = {}
        self._read_at = 0.0
        self._lock = asyncio.Lock()

    async def all(self) -> Mapping[str, VerbView]:
        """Every verb by path, in the order of the table. Raises `SourceLost`."""
        async with self._lock:
            if not self._by_path or self._clock() - self._read_at > FRESH_S:
                raw = await self._source.view("verbs", {})
                if raw != self._raw:
                    found = msgspec.json.decode(raw, type=list[VerbView])
                    self._raw, self._by_path, self.document = raw, {verb.path: verb for verb in found}, None
                self._read_at = self._clock()
        return self._by_path

    async def raw(self) -> bytes:
        """All of it as JSON: it is long, and always the same. Raises `SourceLost`."""
        await self.all()
        return self._raw

    async def find(self, path: str) -> VerbView:
        """The verb of a path. Raises `NotKnown` and `SourceLost`."""
        verb = (await self.all()).get(path)
        if verb is None:
            raise NotKnown("there is no such verb: GET /api/v1/verbs lists them")
        return verb
