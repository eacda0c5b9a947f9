"""The settings file of a running service: what it says of what the core does not know.

What it says of the rest is a proposal: shown as a difference, applied by a command, never behind anyone's back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.errors import ConfigError
from domain.settings import Settings
from engine.config.change import Change, document_of, parts_of, resolve
from engine.config.checks import ParamTypes
from engine.config.models import Config

NameOf = Callable[[str], str | None]


class RunningSettings:
    """The file of the last start, checked. `kinds` are the parameter models of the strategies that can be had."""

    def __init__(self, config: Config | None = None, kinds: ParamTypes | None = None) -> None:
        """Without a file: the defaults."""
        self.config = config
        self.kinds: ParamTypes = kinds or {}

    def resolve(self, settings: Settings, path: str, value: str, name_of: NameOf) -> Change:
        """What a path set to a value changes, or every mistake in it."""
        base = self.config or Config(environment=settings.environment.value)
        return resolve(settings, base, path, value, self.kinds, name_of)

    def values(self, settings: Settings, path: str, name_of: NameOf) -> list[tuple[str, str]]:
        """Every setting below a path ("" = all sections). Raises `ConfigError` where there is none."""
        node: Any = document_of(settings)
        parts = parts_of(node, path, name_of) if path else ()
        for i, part in enumerate(parts):
            if not isinstance(node, dict) or part not in node:
                raise ConfigError(f"there is no {'.'.join(parts[: i + 1])}")
            node = node[part]
        return list(_leaves(".".join(parts), node))


def _leaves(path: str, node: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - a document of any shape
    if isinstance(node, dict) and node:
        return [leaf for key, item in node.items() for leaf in _leaves(f"{path}.{key}".lstrip("."), item)]
    if isinstance(node, list):
        return [(path, ", ".join(map(str, node)) or "none")]
    return [(path, "none" if node in (None, {}) else str(node))]
