"""A strategy's parameters as they are typed."""

from __future__ import annotations

from typing import Any

from domain.errors import ConfigError


def parse_params(text: str) -> dict[str, Any]:
    """`fast=10,style=take,session=true` as a dictionary of plain values. Raises `ConfigError`."""
    params: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--params {part!r}: expected name=value, several separated by commas")
        params[name.strip()] = _value(value.strip())
    return params


def _value(text: str) -> Any:  # noqa: ANN401 - a number, a truth value or a text
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
