"""JSON as the API writes it: every amount a string of plain digits, never `1E-8`, so that any reader takes it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

_KEPT = (Decimal,)


def to_json(value: object) -> bytes:
    """A read model as JSON."""
    return msgspec.json.encode(_plain(msgspec.to_builtins(value, builtin_types=_KEPT)))


def _plain(value: Any) -> Any:  # noqa: ANN401 - builtins of any shape
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, dict | list | tuple | Decimal):
                value[key] = _plain(item)
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) if isinstance(item, dict | list | tuple | Decimal) else item for item in value]
    return f"{value:f}" if isinstance(value, Decimal) else value
