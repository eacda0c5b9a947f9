"""Changes single settings in a YAML text and leaves everything else as people wrote it: comments, order, layout.

    edited(text, {("telegram", "enabled"): True})    the text with that setting; `None` takes the key out

A path is made of keys; in a list, of the id, person or name that a thing has. What is changed is written in one line,
and the result is read again: a text that does not then say exactly what was asked for is refused, never written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import yaml

from domain.errors import ConfigError
from engine.config.source import parse_tree, plain

Value: TypeAlias = Any
"""Texts, whole numbers, true and false, and lists and mappings of them."""
Path: TypeAlias = tuple[str, ...]
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.@-]*")
_WORDS_OF_YAML = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
IDS = ("id", "person", "name")
"""What a thing of a list is known by: the first of these that it has."""


def edited(text: str, changes: Mapping[Path, Value]) -> str:
    """The text with all changes. Raises `ConfigError` when it is no YAML, or cannot be changed without harm."""
    for path, value in changes.items():
        wanted = _with(plain(parse_tree(text, "settings")), path, value)
        text = _edited(text, path, value)
        if plain(parse_tree(text, "settings")) != wanted:
            raise ConfigError(f"{'.'.join(path)} cannot be changed in this layout: set it by hand to {shown(value)}")
    return text


def shown(value: Value) -> str:
    """A value in one line, as YAML reads it back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{shown(key)}: {shown(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, str):
        is_plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS_OF_YAML
        return value if is_plain else json.dumps(value, ensure_ascii=False)
    return str(value)


def _with(document: Value, path: Path, value: Value) -> Value:
    """The document with the change, as values: what the edited text has to say."""
    if not path:
        return value
    first, rest = path[0], path[1:]
    if isinstance(document, list):
        kept = [item for item in document if _id_of(item) != first]
        if not rest and value is None:
            return kept
        if len(kept) == len(document):
            return [*document, _with({}, rest, value)]
        return [_with(item, rest, value) if _id_of(item) == first else item for item in document]
    known = dict(document) if isinstance(document, dict) else {}
    if value is None and (not rest or first not in known):
        known.pop(first, None)
    else:
        known[first] = _with(known.get(first), rest, value)
    return known


def _id_of(item: Value) -> Value:
    return next((item[key] for key in IDS if key in item), None) if isinstance(item, dict) else None


def _edited(text: str, path: Path, value: Value) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None or (isinstance(root, yaml.ScalarNode) and not root.value):
        return text if value is None else f"{_closed(text)}{_block(path, value)}"
    node, done = root, 0
    while done < len(path) and (inner := _child(node, path[done])) is not None:
        node, done = inner, done + 1
    rest = path[done:]
    if value is None:
        return text if rest else _without(text, root, path)
    if not rest:
        return _replaced(text, node, shown(value))
    if isinstance(node, yaml.SequenceNode):
        return _appended(text, node, shown(_nested(rest[1:], value)))
    if isinstance(node, yaml.MappingNode):
        return _inserted(text, node, rest, value, is_root=node is root)
    return _replaced(text, node, shown(_nested(rest, value)))


def _nested(path: Path, value: Value) -> Value:
    for key in reversed(path):
        value = {key: value}
    return value


def _child(node: yaml.Node, key: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((inner for name, inner in node.value if name.value == key), None)
    if isinstance(node, yaml.SequenceNode):
        return next((item for item in node.value if (found := _child_of_item(item)) is not None and found == key), None)
    return None


def _child_of_item(item: yaml.Node) -> str | None:
    """The id of a thing in a list."""
    if not isinstance(item, yaml.MappingNode):
        return None
    named = (found for key in IDS if (found := _child(item, key)) is not None)
    found = next(named, None)
    return found.value if isinstance(found, yaml.ScalarNode) else None


def _end(node: yaml.Node) -> int:
    """Where a value really ends: a block's own mark lies behind the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _replaced(text: str, node: yaml.Node, new: str) -> str:
    start, end = node.start_mark.index, _end(node)
    space = " " if start == end and not text[:start].endswith(" ") else ""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        before = text[:start].rstrip()  # a block begins on a line of its own; one line stands beside its key
        if before.endswith(":"):
            return f"{before} {new}{text[end:]}"
    return f"{text[:start]}{space}{new}{text[end:]}"


def _appended(text: str, node: yaml.SequenceNode, new: str) -> str:
    end = _end(node)
    if node.flow_style:
        at = text.rindex("]", 0, end)
        return f"{text[:at].rstrip()}{', ' if node.value else ''}{new}{text[at:]}"
    dash = " " * node.start_mark.column + "- "
    return _line_after(text, end, dash + new)


def _inserted(text: str, node: yaml.MappingNode, path: Path, value: Value, *, is_root: bool) -> str:
    if node.flow_style:
        at = text.rindex("}", 0, _end(node))
        entry = f"{path[0]}: {shown(_nested(path[1:], value))}"
        return f"{text[:at].rstrip()}{', ' if node.value else ''}{entry}{text[at:]}"
    if is_root:
        return f"{_closed(text)}{_block(path, value)}"
    indent = " " * node.start_mark.column
    return _line_after(text, _end(node), f"{indent}{path[0]}: {shown(_nested(path[1:], value))}")


def _line_after(text: str, at: int, line: str) -> str:
    """The text with a new line behind the one that position `at` is in, its comment included."""
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    return f"{text[:end]}\n{line}{text[end:]}"


def _without(text: str, root: yaml.Node, path: Path) -> str:
    """The text without a key, or without a thing of a list."""
    node = root
    for key in path[:-1]:
        found = _child(node, key)
        assert found is not None  # noqa: S101 - the caller has walked this path
        node = found
    spans = list(_spans(node, path[-1]))
    if not spans:
        return text
    start, end = spans[0]
    if isinstance(node, yaml.CollectionNode) and node.flow_style:
        after = re.match(r"\s*,\s*", text[end:])
        if after:
            return text[:start] + text[end + after.end() :]
        return re.sub(r",\s*$", "", text[:start]) + text[end:]
    if len(node.value) == 1:
        return _replaced(text, node, "[]" if isinstance(node, yaml.SequenceNode) else "{}")
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    return text[:first] + (text[last + 1 :] if last >= 0 else "")


def _spans(node: yaml.Node, key: str) -> Iterator[tuple[int, int]]:
    if isinstance(node, yaml.MappingNode):
        for name, inner in node.value:
            if name.value == key:
                yield name.start_mark.index, _end(inner)
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if _child_of_item(item) == key:
                yield item.start_mark.index, _end(item)


def _closed(text: str) -> str:
    """The text, ended by a line break, so that a section can follow."""
    return text if not text or text.endswith("\n") else f"{text}\n"


def _block(path: Path, value: Value) -> str:
    """A new section at the end of the file, a line for each key."""
    if len(path) == 1:
        if isinstance(value, (list, tuple)) and value and all(isinstance(item, Mapping) for item in value):
            return f"\n{path[0]}:\n" + "".join(f"  - {shown(item)}\n" for item in value)
        return f"\n{path[0]}: {shown(value)}\n"
    return f"\n{path[0]}:\n  {path[1]}: {shown(_nested(path[2:], value))}\n"
