"""Strategies that installed packages bring: entry points of the group `moondev.strategies`.

A package names them in its pyproject.toml, by kind, one file a strategy:

    [project.entry-points."moondev.strategies"]
    breakout = "acme_strategies.breakout:Breakout"

They are found without running anything of the package. Such a file is loaded, checked and watched over like one of
the user's folder: it may import no more than they may, so not the rest of its package either.
"""

from __future__ import annotations

import importlib.util
import logging
import re
from functools import cache
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from typing import Final

from domain.errors import StrategyError

GROUP: Final = "moondev.strategies"
log = logging.getLogger(__name__)


@cache
def packaged() -> dict[str, dict[str, EntryPoint]]:
    """Kinds by their names, in order of those; each with what every package that claims it has it from.

    Read once: what is installed while the service runs is there after its next start. A package whose metadata cannot
    be read brings nothing.
    """
    found: list[tuple[str, str, EntryPoint]] = []
    for one in distributions():
        try:
            points = one.entry_points.select(group=GROUP)
            package = re.sub(r"[-_.]+", "-", one.metadata["Name"] or "?").lower() if points else ""
            found += [(point.name, package, point) for point in points]
        except Exception as error:  # a stranger's metadata may raise anything
            log.warning("a package's metadata cannot be read: its strategies are not there", exc_info=error)
    named: dict[str, dict[str, EntryPoint]] = {}
    for name, package, point in sorted(found, key=lambda each: each[:2]):
        named.setdefault(name, {}).setdefault(package, point)
    return named


def file_of(kind: str) -> tuple[Path, str]:
    """The file of a packaged kind and the class in it. Raises `StrategyError` when there is none, or two are meant."""
    points = packaged()[kind]
    if len(points) > 1:
        raise StrategyError(f"strategy {kind!r} is in the packages {' and '.join(points)}: uninstall one of them")
    ((package, point),) = points.items()
    module, _, class_name = point.value.partition(":")
    top, *rest = module.strip().split(".")
    where = f"package {package}: strategy {kind!r}"
    try:
        spec = importlib.util.find_spec(top)
        roots = [Path(root) for root in spec.submodule_search_locations or ()] if spec is not None else []
    except Exception as error:  # finders are of packages too, and may raise anything
        raise StrategyError(f"{where}: {error}") from error
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
    return inner.parent / f"{inner.name}.py", inner / "__init__.py"
