"""Reads YAML into a tree that knows where every key and value is written.

Only what a settings file needs: mappings, lists, texts, numbers, true/false and null. A number with
a point becomes a `Decimal` of exactly the digits written. What makes YAML surprising is refused or
read as text: anchors, tags, merge keys, `yes`/`no`, octal and base-60 numbers, duplicate keys.

    read_tree(path)            Node of a file
    parse_tree(text, name)     Node of a text
    merge(base, over)          mappings merge key by key, everything else is replaced
    plain(node)                dict, list and scalars without places
    node_of(value, place)      the tree of a document that no file holds
    find(node, path)           the deepest node on a path that exists
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from engine.config.problem import KeyPath, Place, Problem, Problems

MAX_BYTES = 1_000_000
MAX_DEPTH = 30
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]{0,18})")
_NUMBER = re.compile(r"[-+]?[0-9]{1,40}\.[0-9]{1,40}")
_TAGS = {
    f"tag:yaml.org,2002:{name}"
    for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "value", "merge")
}

Scalar: TypeAlias = str | int | Decimal | bool | None


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it is written; `key_place` is where its key is, if it has one."""

    value: dict[str, Node] | list[Node] | Scalar
    place: Place
    key_place: Place | None = None


def read_tree(path: Path) -> Node:
    """Tree of a YAML file. Raises `Problems` when it cannot be read or is not well-formed YAML."""
    name = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        return parse_tree(raw.decode("utf-8"), name)
    except FileNotFoundError:
        raise _single(Place(name), "there is no such file; check the path, or leave --config out for paper") from None
    except OSError as error:
        raise _single(Place(name), f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise _single(Place(name), f"is not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def parse_tree(text: str, name: str) -> Node:
    """Tree of a YAML text; `name` stands in places. Raises `Problems` with every duplicate key at once."""
    if len(text) > MAX_BYTES:
        raise _single(Place(name), f"is larger than {MAX_BYTES} characters; that is no settings file")
    try:
        _refuse_what_surprises(text, name)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return Node({}, Place(name, 1, 1))
        problems: list[Problem] = []
        tree = _build(root, name, (), problems)
    except yaml.MarkedYAMLError as error:
        raise _single(_mark(error.problem_mark, name), f"not valid YAML: {_words(error)}") from None
    except yaml.YAMLError as error:
        raise _single(Place(name), f"not valid YAML: {str(error).splitlines()[0]}") from None
    if problems:
        raise Problems(problems)
    return tree


def merge(base: Node, over: Node) -> Node:
    """Lay `over` on `base`: mappings key by key, anything else replaces. Places follow the values."""
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    merged = dict(base.value)
    for key, node in over.value.items():
        merged[key] = merge(base.value[key], node) if key in base.value else node
    return Node(merged, over.place, over.key_place)


def plain(node: Node) -> Any:  # noqa: ANN401 - whatever the file holds
    """The values alone."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def node_of(value: Any, place: Place) -> Node:  # noqa: ANN401 - dictionaries, lists and scalars
    """The tree of a document that no file holds: what `plain` gives, with a float as the `Decimal` of its digits."""
    if isinstance(value, dict):
        return Node({key: node_of(item, place) for key, item in value.items()}, place)
    if isinstance(value, list | tuple):
        return Node([node_of(item, place) for item in value], place)
    return Node(Decimal(repr(value)) if isinstance(value, float) else value, place)


def find(node: Node, path: KeyPath) -> Node:
    """The node at `path`, or the deepest one on the way to it."""
    for part in path:
        value = node.value
        if isinstance(value, dict) and part in value:
            node = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            node = value[part]
        else:
            break
    return node


def _build(node: yaml.Node, name: str, path: KeyPath, problems: list[Problem]) -> Node:
    place = _mark(node.start_mark, name)
    if node.tag not in _TAGS:
        problems.append(Problem(place, path, f"tags like {node.tag} are not used here; write the value alone"))
    if isinstance(node, yaml.MappingNode):
        return Node(_mapping(node, name, path, problems), place)
    if isinstance(node, yaml.SequenceNode):
        items = [_build(child, name, (*path, i), problems) for i, child in enumerate(node.value)]
        return Node(items, place)
    if not _is_text(node.value):
        problems.append(Problem(place, path, "holds half a character (a lone surrogate escape)"))
    quoted = isinstance(node, yaml.ScalarNode) and node.style is not None
    return Node(_scalar(node.value, quoted=quoted), place)


def _mapping(node: yaml.MappingNode, name: str, path: KeyPath, problems: list[Problem]) -> dict[str, Node]:
    children: dict[str, Node] = {}
    for key_node, value_node in node.value:
        key_place = _mark(key_node.start_mark, name)
        if not isinstance(key_node, yaml.ScalarNode) or not _is_text(key_node.value):
            problems.append(Problem(key_place, path, "a key must be plain text"))
            continue
        key = key_node.value
        if key in children:
            first = children[key].key_place
            line = first.line if first else 0
            problems.append(Problem(key_place, (*path, key), f"the key stands twice, first on line {line}; keep one"))
            continue
        child = _build(value_node, name, (*path, key), problems)
        children[key] = Node(child.value, child.place, key_place)
    return children


def _scalar(text: str, *, quoted: bool) -> Scalar:
    if quoted:
        return text
    if text in {"", "~", "null", "Null", "NULL"}:
        return None
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text)
    return Decimal(text) if _NUMBER.fullmatch(text) else text


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_what_surprises(text: str, name: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if getattr(event, "anchor", None):
            place = _mark(event.start_mark, name)
            raise _single(place, "anchors and aliases (& and *) are not used here; write the value out, or quote it")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _single(_mark(event.start_mark, name), f"is nested deeper than {MAX_DEPTH} levels")


def _mark(mark: Any, name: str) -> Place:  # noqa: ANN401 - a mark of either of PyYAML's scanners, or None
    return Place(name, mark.line + 1, mark.column + 1) if mark else Place(name)


def _words(error: yaml.MarkedYAMLError) -> str:
    parts: Iterator[str] = (part for part in (error.context, error.problem) if part)
    return ", ".join(parts) or "cannot be read"


def _single(place: Place, text: str) -> Problems:
    return Problems([Problem(place, (), text)])
