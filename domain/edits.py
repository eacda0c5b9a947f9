"""Changes of settings as values: which leaf becomes what, so that a change can be voted on, undone, and judged again.

A path's parts are keys; the member of a list of things with an id is `[id]`. Values are builtins as `msgspec` has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from domain.settings import Settings

Path: TypeAlias = tuple[str, ...]
_OPAQUE = "params"
"""What a strategy calls its parameters is its own affair: only their names are looked at."""


class Edit(Struct, frozen=True, kw_only=True):
    """One leaf or branch that changes. `None` as `before`/`after` with the flag unset is a value like any other."""

    path: Path
    before: Any = None
    after: Any = None
    is_new: bool = False
    is_removed: bool = False

    @property
    def name(self) -> str:
        """As people write it: `persons[anna].role`."""
        text = ""
        for part in self.path:
            text += part if part.startswith("[") or not text else f".{part}"
        return text

    def undone(self) -> Edit:
        """The edit that takes this one back."""
        return Edit(
            path=self.path, before=self.after, after=self.before, is_new=self.is_removed, is_removed=self.is_new
        )


class ConfigVersion(Struct, frozen=True):
    """One change of the settings: who, when, why, what in words, and the edits that it was."""

    number: int
    content_hash: str
    seq: int
    ts_ns: int
    by: str
    why: str
    changes: tuple[str, ...]
    edits: tuple[Edit, ...]


class Moved(Exception):
    """What an edit would change is not as it was when it was asked for."""


class ById(dict[str, Any]):
    """A list of things with an id, as a mapping."""


def tree_of(settings: Settings) -> dict[str, Any]:
    """Settings as nested mappings."""
    tree: dict[str, Any] = _tree(msgspec.to_builtins(settings))
    return tree


def settings_of(tree: dict[str, Any]) -> Settings:
    """Settings again. Raises `msgspec.ValidationError` when a value does not fit."""
    return msgspec.convert(_untree(tree), Settings)


def edits_between(old: Settings, new: Settings) -> tuple[Edit, ...]:
    """What leads from one to the other, by path; the order of lists is no difference."""
    return tuple(_edits((), tree_of(old), tree_of(new)))


def with_edits(settings: Settings, edits: Iterable[Edit]) -> Settings:
    """The settings after the edits.

    Raises `Moved` where a value is not what it was, `msgspec.ValidationError` where one does not fit.
    """
    tree = tree_of(settings)
    for edit in edits:
        node: Any = tree
        for part in edit.path[:-1]:
            node = node[part] if isinstance(node, dict) and part in node else None
        last = edit.path[-1]
        if not isinstance(node, dict) or (last in node) is edit.is_new or node.get(last) != edit.before:
            raise Moved(edit.name)
        if edit.is_removed:
            del node[last]
        else:
            node[last] = edit.after
    return settings_of(tree)


def _tree(value: Any, key: str = "") -> Any:  # noqa: ANN401 - builtins of any shape
    if key == _OPAQUE:
        return dict(value)
    if isinstance(value, dict):
        return {name: _tree(item, name) for name, item in value.items()}
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, dict) and "id" in item for item in value):
        return ById({f"[{item['id']}]": _tree(item) for item in value})
    return value


def _untree(value: Any, key: str = "") -> Any:  # noqa: ANN401 - as above
    if key == _OPAQUE:
        return value
    if isinstance(value, ById) or (isinstance(value, dict) and value and all(name.startswith("[") for name in value)):
        return [_untree(item) for item in value.values()]
    if isinstance(value, dict):
        return {name: _untree(item, name) for name, item in value.items()}
    return value


def _edits(path: Path, old: Any, new: Any) -> Iterator[Edit]:  # noqa: ANN401 - as above
    if old == new and type(old) is type(new):
        return
    if isinstance(old, dict) and isinstance(new, dict) and (isinstance(old, ById) is isinstance(new, ById)):
        for key in sorted(old.keys() | new.keys()):
            here = (*path, key)
            if key not in new:
                yield Edit(path=here, before=_plain(old[key]), is_removed=True)
            elif key not in old:
                yield Edit(path=here, after=_plain(new[key]), is_new=True)
            else:
                yield from _edits(here, old[key], new[key])
    else:
        yield Edit(path=path, before=_plain(old), after=_plain(new))


def _plain(value: Any) -> Any:  # noqa: ANN401 - as above
    """Without our own kinds of mapping, so that it is the same after it was journaled."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
