"""What a venue's messages hold beyond what we read, and those that are not understood.

A field that we do not know is no error: it is counted by its path, and said once. Looking costs more than decoding, so
only the first messages and then some of them are looked at. A message with a missing or impossible field is an error,
and the whole of it is kept in a file for who has to find out why.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

log = logging.getLogger(__name__)

LOOKED_AT: Final = 100
EACH: Final = 256
"""The first so many messages are looked at, then each so manieth."""
FILE_BYTES: Final = 4 * 2**20
"""More is not kept in the file; it is still counted."""
MAX_PATHS: Final = 1_000
LOGGED, LOGGED_EACH = 20, 1_000
"""The first so many are logged, then each so manieth."""


class Payloads:
    """`unread` are fields that we know of and do not need. `folder` is where messages are kept; None = nowhere."""

    def __init__(self, venue: str, unread: Collection[str] = (), folder: Path | None = None) -> None:
        self.unknown: Counter[str] = Counter()
        """Fields that we have never heard of, by path, in the messages that were looked at."""
        self.not_understood = 0
        """Messages that were no use."""
        self._venue = venue
        self._unread = unread
        self._path = folder / f"{venue.lower()}-not-understood.jsonl" if folder is not None else None
        self._seen = 0

    def look(self, raw: object, message: object) -> None:
        """Perhaps look at a message that was made from these bytes, or from this JSON."""
        self._seen += 1
        if self._seen > LOOKED_AT and self._seen % EACH:
            return
        told = msgspec.json.decode(raw) if isinstance(raw, bytes | str) else raw
        for path in unknown_fields(told, message, type(message).__name__):
            if path.rpartition(".")[2] in self._unread or (path not in self.unknown and len(self.unknown) == MAX_PATHS):
                continue
            if path not in self.unknown:
                log.info("%s sends a field that we do not know: %.200s", self._venue, path)
            self.unknown[path] += 1

    def keep(self, raw: bytes | str, why: str, ts_ns: int) -> None:
        """Keep a message that was not understood."""
        self.not_understood += 1
        text = raw if isinstance(raw, str) else raw.decode(errors="backslashreplace")
        if self.not_understood <= LOGGED or self.not_understood % LOGGED_EACH == 0:
            said = "%s sent something that is not understood (%d by now): %s; %.300s"
            log.error(said, self._venue, self.not_understood, why, text)
        if self._path is None:
            return
        line = msgspec.json.encode({"ts_ns": ts_ns, "why": why, "payload": text}) + b"\n"
        try:
            with self._path.open("ab") as file:
                if file.tell() + len(line) <= FILE_BYTES:
                    file.write(line)
        except OSError as error:
            log.warning("%s: the message could not be kept: %s", self._path, error)


@functools.lru_cache(maxsize=1_000)
def _names(kind: type[Struct]) -> dict[str, str]:
    """Fields by their names on the wire; finding them takes longer than decoding a message."""
    return {field.encode_name: field.name for field in msgspec.structs.fields(kind)}


def unknown_fields(raw: Any, message: object, path: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Paths of what stands in `raw` and not in the struct made of it; of a list only the first is looked at."""
    if isinstance(message, Struct) and isinstance(raw, dict):
        names = _names(type(message))
        tag = message.__struct_config__.tag_field
        for key, value in raw.items():
            if key in names:
                yield from unknown_fields(value, getattr(message, names[key]), f"{path}.{key}")
            elif key != tag:
                yield f"{path}.{key}"
    elif isinstance(message, list | tuple) and isinstance(raw, list) and message and raw:
        yield from unknown_fields(raw[0], message[0], f"{path}[]")
