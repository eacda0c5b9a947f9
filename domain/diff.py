"""What changed between two settings, one line a change, for people who must approve it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from domain.settings import RoleName, Settings

_UNITS = ((3600 * 10**9, "h"), (60 * 10**9, "m"), (10**9, "s"), (10**6, "ms"), (1, "ns"))


def diff(old: Settings, new: Settings) -> list[str]:
    """Readable differences, sorted by key: `risk.max_exposure: 1000000 -> 500000`. Empty when they are equal.

    Raises nothing: where a difference cannot be told, one line says so. No start and no command fails for a text.
    """
    try:
        return sorted(_changes("", _named(msgspec.to_builtins(old)), _named(msgspec.to_builtins(new))))
    except Exception as error:  # noqa: BLE001 - parameters of strategies are a stranger's, of any shape
        return [f"they differ, but it cannot be told where: {error}"]


def _named(value: Any) -> Any:  # noqa: ANN401 - builtins of any shape
    """Lists of things with an id become mappings by id, so that order and position do not matter."""
    if isinstance(value, dict):
        # what a strategy calls its parameters is its own affair
        return dict((key, item) if key == "params" else _worded(key, _named(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        items = [_named(item) for item in value]
        if items and all(isinstance(item, dict) and "id" in item for item in items):
            return {f"[{item['id']}]": item for item in items}
        return items
    return value


def _worded(key: str, value: Any) -> tuple[str, Any]:  # noqa: ANN401 - as above
    """Key and value as people write them in the file: a role by its name, a duration with its unit."""
    if key in {"role", "approver_role"}:
        return key, RoleName(value).name.lower()
    if key.endswith("_ns") and isinstance(value, int):
        size, unit = next((size, unit) for size, unit in _UNITS if value % size == 0)
        return key.removesuffix("_ns"), f"{value // size}{unit}" if value else "0"
    return key, value


def _changes(path: str, old: Any, new: Any) -> Iterator[str]:  # noqa: ANN401 - as above
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            here = f"{path}{key}" if key.startswith("[") else f"{path}.{key}".removeprefix(".")
            if key not in new:
                yield f"{here}: removed (was {_short(old[key])})"
            elif key not in old:
                yield f"{here}: added {_short(new[key])}"
            else:
                yield from _changes(here, old[key], new[key])
    elif not old and isinstance(old, list) and isinstance(new, dict):
        yield from _changes(path, {}, new)
    elif not new and isinstance(new, list) and isinstance(old, dict):
        yield from _changes(path, old, {})
    else:
        yield f"{path}: {_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:  # noqa: ANN401 - as above
    if isinstance(value, dict):
        text = ", ".join(f"{key} {_short(item)}" for key, item in value.items() if item not in (None, "", [], {}))
        return f"({text if len(text) <= 160 else text[:157] + '...'})"
    if isinstance(value, list):
        return "[" + ", ".join(map(_short, value)) + "]"
    return str(value)
