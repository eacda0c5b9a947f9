"""`moondev new-strategy NAME`: a strategy that works, and its tests, as a beginning to be rewritten."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Final, NamedTuple

from domain.errors import StrategyError
from engine.strategies import registry

SKELETON: Final = Path(__file__).parent / "skeleton"


class Written(NamedTuple):
    """The two files of a new strategy."""

    strategy: Path
    test: Path


def write(name: str, folder: Path) -> Written:
    """Write a strategy of the kind `name` and its tests into the user's folder, and load it once to see that it can be.

    Nothing is overwritten. Raises `StrategyError` for a name that cannot be, or is taken.
    """
    if not registry.KIND.fullmatch(name) or keyword.iskeyword(name):
        raise StrategyError(
            f"{name!r} cannot be the name of a strategy: begin with a lower-case letter, then up to 39 lower-case "
            "letters, digits and _, such as my_breakout"
        )
    if name in {*registry.kinds(folder), *registry.BENCH, registry.MANUAL}:
        raise StrategyError(f"there is a strategy {name!r} already; choose another name")
    files = Written(folder / f"{name}.py", folder / "tests" / f"test_{name}.py")
    for path in files:
        if path.exists() or path.is_symlink():
            raise StrategyError(f"{path} is there already and was not touched; choose another name, or move it away")
    templates = [(SKELETON / template).read_text(encoding="utf-8") for template in ("strategy.txt", "test.txt")]
    class_name = _class_name(name, "".join(templates))
    words = {"kind": name, "title": name.replace("_", " ").capitalize(), "class_name": class_name}
    made: list[Path] = []
    try:
        files.test.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, template in zip(files, templates, strict=True):
            with path.open("x", encoding="utf-8") as file:
                made.append(path)
                file.write(template.format(**words))
        registry.load(name, folder)
    except (OSError, StrategyError) as error:
        for path in made:
            path.unlink(missing_ok=True)
        if isinstance(error, StrategyError):
            raise
        raise StrategyError(f"{error.filename or folder} cannot be written: {error.strerror or error}") from error
    return files


def _class_name(kind: str, template: str) -> str:
    """`my_breakout` as `MyBreakout`; `OwnTarget` where the name alone is one that the text uses, or Python."""
    name = "".join(part.capitalize() for part in kind.split("_")) or kind.capitalize()
    return f"Own{name}" if keyword.iskeyword(name) or re.search(rf"\b{name}\b", template) else name
