"""Reads a settings file over the built-in defaults and checks all of it at once."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from engine.config.checks import CHECKS, Checks, Finding, ParamTypes, parameters
from engine.config.models import Config
from engine.config.problem import KeyPath, Place, Problem, Problems
from engine.config.remember import remembered
from engine.config.source import Node, find, merge, plain, read_tree
from engine.config.words import sentence

ENVIRONMENTS = ("paper", "testnet", "live")
BUILT_IN = Path(__file__).with_name("paper.yaml")
"""The paper set-up that needs no file, no key and no token."""


NAMES_OF_OTHERS = frozenset({"instruments", "accounts", "strategies", "failover"})
"""Sections that a test replaces: what other sections say of them is its own business."""


def load_config(
    path: Path | None, environment: str = "", kinds: ParamTypes | None = None, *, all_kinds: bool = True
) -> Config:
    """The configuration of `environment` (empty = the one that the file is for): the file at `path` over the defaults.

    In the paper environment the defaults are `BUILT_IN`: a file says only what differs (mappings are laid
    over it key by key, lists replace). `kinds` (strategy kind -> parameter model) also checks strategy
    parameters; with `all_kinds` False there are kinds that it does not have, and those are passed over.
    Raises `Problems`, a `ConfigError`, with every mistake and its line.
    """
    environment = environment or environment_of(path)
    return _validate(_whole_tree(path, environment), kinds, CHECKS, all_kinds=all_kinds)


def load_for_test(path: Path | None, over: Node) -> Config:
    """The configuration of a file with `over` laid on it, for a test that brings instruments and strategies of its own.

    Those of the file are not there, and what names them is not checked. Raises `Problems` as `load_config`.
    """
    tree = merge(_whole_tree(path, environment_of(path)), over)
    if isinstance(tree.value, dict):
        left = {name: Node([], tree.place) for name in ("strategies", "failover")}
        tree = Node({**tree.value, **left}, tree.place)
    return _validate(tree, None, [(sections, check) for sections, check in CHECKS if not sections & NAMES_OF_OTHERS])


def _whole_tree(path: Path | None, environment: str) -> Node:
    start = Place(f"(environment {environment})")
    tree = _built_in() if environment == "paper" else Node({}, start)
    if path is not None:
        tree = merge(tree, read_tree(path))
    if not isinstance(tree.value, dict):
        raise Problems([Problem(tree.place, (), "expected keys and values at the top of the file")])
    named = tree.value.get("environment")
    if named is None:
        tree = Node({**tree.value, "environment": Node(environment, start)}, tree.place)
    elif named.value != environment and named.value in ENVIRONMENTS:
        text = f"this file is not for {environment}; give the file of that environment"
        raise Problems([Problem(named.place, ("environment",), text)])
    return tree


@cache
def _built_in() -> Node:
    """The built-in set-up, read once: nothing changes a tree."""
    return read_tree(BUILT_IN)


def environment_of(path: Path | None) -> str:
    """The environment that a settings file is for; paper where it does not say. Raises `Problems` as `load_config`."""
    tree = read_tree(path) if path is not None else None
    named = tree.value.get("environment") if tree is not None and isinstance(tree.value, dict) else None
    return str(named.value) if named is not None and named.value in ENVIRONMENTS else "paper"


def load_remembered(data: Path) -> Config:
    """The settings file of a data folder's last start, as it is now. Raises `Problems` as `load_config`."""
    file = remembered(data)
    return load_config(file, environment_of(file))


def _validate(tree: Node, kinds: ParamTypes | None, checks: Checks, *, all_kinds: bool = True) -> Config:
    data = plain(tree)
    problems: list[Problem] = []
    wrong: set[str] = set()
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            path: KeyPath = detail["loc"]
            wrong.add(str(path[0]))
            problems.append(_problem(tree, path, sentence(detail, path, Config), key=detail["type"]))
        config = Config.model_validate({key: value for key, value in data.items() if key not in wrong})
    for sections, check in checks:
        if not sections & wrong:
            problems += _located(tree, check(config))
    if kinds is not None and "strategies" not in wrong:
        problems += _located(tree, parameters(config, kinds, all_kinds=all_kinds))
    if problems:
        raise Problems(problems)
    return config


def _located(tree: Node, findings: Iterable[Finding]) -> list[Problem]:
    return [_problem(tree, path, text) for path, text in findings]


def _problem(tree: Node, path: KeyPath, text: str, key: str = "") -> Problem:
    node = find(tree, path)
    place = node.key_place if key == "extra_forbidden" and node.key_place else node.place
    return Problem(place, path, text)
