"""One setting by its path, as people write it: found, checked by the models of the file, turned into edits.

    risk.max_exposure 40000                     persons.anna.role risk
    risk.limits.BTC.max_order_notional 5k is no number: it is refused with what was expected
    strategies.turtle-eth.params.stop_atr 1.5   persons.bob {role: trader, name: Bob}
    persons.bob none                            takes it out

Names may hold dots, so the longest one that exists is taken. What is wrong is said all at once; mistakes that the
settings have already, because the file has changed meanwhile, are none of the change's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct
from pydantic import ValidationError

from domain.diff import diff
from domain.edits import Edit, edits_between
from domain.errors import ConfigError
from domain.settings import RoleName, Settings
from engine.config.checks import CHECKS, ParamTypes, parameters
from engine.config.models import Config
from engine.config.problem import KeyPath, Problems, path_text
from engine.config.settings import without_listed
from engine.config.source import parse_tree, plain
from engine.config.words import nearest, sentence

FIXED = ("environment", "instruments", "accounts")
CHANGEABLE = tuple(name for name in Settings.__struct_fields__ if name not in FIXED)
"""Sections that may change while the engine runs."""
NOTHING = {"none", "null", "default", "~"}
_UNITS = ((3600 * 10**9, "h"), (60 * 10**9, "m"), (10**9, "s"), (10**6, "ms"))
MOST_PATH = 300
Document: TypeAlias = dict[str, Any]


class Change(Struct, frozen=True):
    """What a path and a value come to; with `problems` there are no edits."""

    edits: tuple[Edit, ...] = ()
    changes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Members(dict[str, Any]):
    """A list of things with an id."""


def document_of(settings: Settings) -> Document:
    """The sections that may change, as a file has them; lists of things with an id by that."""
    values = msgspec.to_builtins(settings, builtin_types=(Decimal,))
    return {name: _worded(name, values[name])[1] for name in CHANGEABLE}


def resolve(
    settings: Settings,
    config: Config,
    path: str,
    value: str,
    kinds: ParamTypes,
    name_of: Callable[[str], str | None] = lambda _: None,
) -> Change:
    """What `path` set to `value` changes. `config` has the sections that the core does not know.

    `name_of` gives the whole name of an instrument for a short one.
    """
    before = document_of(settings)
    try:
        parts = parts_of(before, path, name_of)
        after = copy.deepcopy(before)
        put(after, parts, value_of(value))
    except ConfigError as error:
        return Change(problems=(str(error),))
    known, _ = combined(config, before)
    wanted, problems = combined(config, after)
    if wanted is None or problems:
        return Change(problems=tuple(problems) or ("it cannot be read",))
    old = set(_findings(known, kinds)) if known is not None else set()
    if found := [text for text in _findings(wanted, kinds) if text not in old]:
        return Change(problems=tuple(found))
    try:
        now, then = without_listed(known or wanted), without_listed(wanted)
    except ConfigError as error:
        return Change(problems=(str(error),))
    return Change(edits=edits_between(now, then), changes=tuple(diff(now, then)))


def parts_of(document: Document, path: str, name_of: Callable[[str], str | None]) -> tuple[str, ...]:
    """The keys of a path; in each mapping the longest that is there, else up to the next dot. Raises `ConfigError`."""
    rest: str = path.strip().replace("[", ".").replace("]", "").replace("..", ".").strip(".")
    if not rest or len(rest) > MOST_PATH or not rest.isprintable():
        raise ConfigError(f"a path is such as risk.max_exposure; the sections are {', '.join(CHANGEABLE)}")
    parts: list[str] = []
    node: Any = document
    while rest:
        key = _key(node, rest, name_of)
        if not parts and key not in document:
            if key in FIXED:
                raise ConfigError(f"{key} cannot change while running: change the file and start anew")
            raise ConfigError(f"{key} is no section that can be changed{nearest(key, document)}: {', '.join(document)}")
        parts.append(key)
        node = node.get(key) if isinstance(node, dict) else None
        rest = rest[len(_taken(key, rest, name_of)) :].lstrip(".")
    return tuple(parts)


def _key(node: Any, rest: str, name_of: Callable[[str], str | None]) -> str:  # noqa: ANN401 - a document of any shape
    if isinstance(node, dict):
        there = [key for key in node if rest == key or rest.startswith(f"{key}.")]
        if there:
            longest: str = max(there, key=len)
            return longest
    for end in [*(i for i, char in enumerate(rest) if char == "."), len(rest)][::-1]:
        if (whole := name_of(rest[:end])) is not None:
            return whole
    return rest.partition(".")[0]


def _taken(key: str, rest: str, name_of: Callable[[str], str | None]) -> str:
    """What of the text stands for the key."""
    if rest == key or rest.startswith(f"{key}."):
        return key
    for end in [*(i for i, char in enumerate(rest) if char == "."), len(rest)][::-1]:
        if name_of(rest[:end]) == key:
            return rest[:end]
    return rest.partition(".")[0]


def value_of(text: str) -> Any:  # noqa: ANN401 - a value of any kind
    """A value as the file would read it; None takes the key out. Raises `ConfigError`."""
    if text.strip().lower() in NOTHING:
        return None
    try:
        return plain(parse_tree(text, "value"))
    except Problems as error:
        raise ConfigError(error.problems[0].text) from None


def put(document: Document, parts: tuple[str, ...], value: Any) -> None:  # noqa: ANN401 - as above
    """Set or take out a key. Raises `ConfigError` where there is nothing to put it into."""
    node: Any = document
    for i, part in enumerate(parts[:-1]):
        if not isinstance(node, dict):
            raise ConfigError(f"{path_text(parts[:i])} is a value; nothing stands below it")
        if node.get(part) is None:
            node[part] = {}
        node = node[part]
    if not isinstance(node, dict):
        raise ConfigError(f"{path_text(parts[:-1])} is a value; nothing stands below it")
    if value is None:
        if node.pop(parts[-1], None) is None:
            raise ConfigError(f"there is no {path_text(parts)} to take out")
    elif isinstance(node, Members) and isinstance(value, dict):
        node[parts[-1]] = {**value, "id": parts[-1]}
    else:
        node[parts[-1]] = value


def combined(config: Config, document: Document) -> tuple[Config | None, list[str]]:
    """The file's settings with these sections, or everything that the models object to."""
    sections = {name: _listed(section) for name, section in document.items()}
    try:
        own = Config.model_validate({"environment": config.environment, **sections})
    except ValidationError as error:
        return None, [
            f"{path_text(detail['loc'])}: {sentence(detail, detail['loc'], Config)}"
            for detail in error.errors(include_url=False)
        ]
    return config.model_copy(update={name: getattr(own, name) for name in sections}), []


def _findings(config: Config, kinds: ParamTypes) -> Iterable[str]:
    found: list[tuple[KeyPath, str]] = []
    for _, check in CHECKS:
        found += check(config)
    found += parameters(config, kinds, all_kinds=False)
    return [f"{path_text(path)}: {text}" for path, text in found]


def _worded(key: str, value: Any) -> tuple[str, Any]:  # noqa: ANN401 - as above
    """A core's key and value as a file has them."""
    if key == "params":
        return key, value
    if key in {"role", "approver_role"}:
        return key, RoleName(value).name.lower()
    if key.endswith("_ns") and isinstance(value, int):
        size, unit = next(((size, unit) for size, unit in _UNITS if value % size == 0), (0, ""))
        number = f"{value // size}{unit}" if size else f"{Decimal(value) / 10**6:f}ms"
        return key.removesuffix("_ns"), number if value else 0
    if isinstance(value, dict):
        return key, dict(_worded(name, item) for name, item in value.items())
    if isinstance(value, (list, tuple)):
        items = [_worded("", item)[1] for item in value]
        if items and all(isinstance(item, dict) and "id" in item for item in items):
            return key, Members({item["id"]: item for item in items})
        return key, items
    return key, value


def _listed(value: Any) -> Any:  # noqa: ANN401 - as above
    if isinstance(value, Members):
        return [_listed(item) for item in value.values()]
    if isinstance(value, dict):
        return {name: _listed(item) for name, item in value.items()}
    return value
