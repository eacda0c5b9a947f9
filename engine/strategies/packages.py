"""Strategies that installed packages bring: entry points of the group `moondev.strategies`.

A package names them in its pyproject.toml, by kind, one file a strategy:

    [project.entry-points."moondev.strategies"]
    breakout = "acme_strategies.breakout:Breakout"

They are found without running anything of the package. Such a file is loaded, checked and watched over like one of
the user's folder: it may import no more than they may, so not the rest of its package either.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final

from domain.errors import StrategyError

GROUP: Final = "moondev.strategies"


@cache
def packaged() -> dict[str, EntryPoint]:
    """Kinds by their names, in order of those; the first of two that claim one name has it.

    Read once: what is installed while the service runs is there after its next start.
    """
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda one: (one.name, one.value)):
        found.setdefault(point.name, point)
    return found


def file_of(point: EntryPoint) -> tuple[Path, str]:
    """The file of an entry point and the class in it. Raises `StrategyError` when there is none."""
    module, _, class_name = point.value.partition(":")
    top, *rest = module.strip().split(".")
    where = f"package {point.dist.name if point.dist is not None else '?'}: strategy {point.name!r}"
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError) as error:
        raise StrategyError(f"{where}: {error}") from error
    roots = [Path(root) for root in spec.submodule_search_locations or ()] if spec is not None else []
    if not rest and spec is not None and spec.origin:
        candidates = [Path(spec.origin)]
    else:
        candidates = [path for root in roots for path in _files(root, rest)]
    for path in candidates:
        if path.is_file():
            return path, class_name.strip()
    raise StrategyError(f"{where}: {module} is no Python file of an installed package; is it installed whole?")


def _files(root: Path, rest: list[str]) -> tuple[Path, Path]:
    inner = root.joinpath(*rest)
    return inner.with_suffix(".py"), inner / "__init__.py"
