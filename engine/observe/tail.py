"""The newest lines of the log file for people: read from its end, a level and above, cleaned once more."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from domain.errors import MoonDevError

LEVELS = ("debug", "info", "warning", "error", "critical")
MOST_BYTES = 8 * 2**20
"""How far back it is looked."""
_BLOCK = 65_536


def tail(file: Path, limit: int, level: str, clean: Callable[[str], str]) -> list[str]:
    """The newest `limit` lines of a level or above, oldest first; the rotated file before it counts too.

    Raises `MoonDevError` when there is none that can be read.
    """
    wanted = LEVELS[LEVELS.index(level) :]
    found: list[str] = []
    try:
        for raw in _backwards([file, file.with_name(f"{file.name}.1")]):
            line = _readable(raw, wanted)
            if line:
                found.append(clean(line))
                if len(found) == limit:
                    break
    except OSError as error:
        raise MoonDevError(f"the log file cannot be read: {error.strerror}") from None
    return found[::-1]


def _backwards(files: list[Path]) -> Iterator[bytes]:
    """Lines from the end of the first file to the beginning of the last, within `MOST_BYTES`. Raises `OSError`."""
    budget = MOST_BYTES
    for number, path in enumerate(files):
        if number and not path.exists():
            return
        with path.open("rb") as stream:
            left = stream.seek(0, os.SEEK_END)
            rest = b""
            while left and budget > 0:
                step = min(_BLOCK, left)
                left -= step
                budget -= step
                stream.seek(left)
                first, *lines = (stream.read(step) + rest).split(b"\n")
                rest = first
                yield from reversed(lines)
            if not left:
                yield rest


def _readable(raw: bytes, levels: tuple[str, ...]) -> str:
    """One ECS line as people read it, "" for another level or no line."""
    try:
        line = json.loads(raw)
        level = str(line["log.level"])
    except (ValueError, KeyError, TypeError):
        return ""
    if level not in levels:
        return ""
    labels = {name.removeprefix("labels."): value for name, value in line.items() if name.startswith("labels.")}
    more = "".join(f" {name}={value}" for name, value in labels.items())
    error = f" {line['error.type']}: {line.get('error.message', '')}" if "error.type" in line else ""
    when = str(line.get("@timestamp", ""))[:19].replace("T", " ")
    text = f"{when} {level:<8} {line.get('log.logger', '')}: {line.get('message', '')}{error}{more}"
    return " ".join(text.split("\n"))
