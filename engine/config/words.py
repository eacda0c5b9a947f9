"""Turns pydantic's complaints into sentences: what was expected, what stands there, the nearest valid key.

What stands there is quoted only where it cannot be a secret.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from engine.config.problem import KeyPath

_SECRETIVE = re.compile(r"token|secret|password|passwd|private|mnemonic|api_?key|url", re.IGNORECASE)
_TOKEN_LIKE = re.compile(r"[A-Za-z0-9_:/+=.-]{24,}")
_EXPECTED = {
    "missing": "is required and missing",
    "int_type": "expected a whole number",
    "bool_type": "expected true or false",
    "string_type": "expected text (put it in quotes)",
    "list_type": "expected a list (lines that begin with `- `)",
    "dict_type": "expected keys and values",
    "model_type": "expected keys and values",
    "greater_than_equal": "expected a whole number from {ge} up",
    "greater_than": "expected a number above {gt}",
    "less_than_equal": "expected a whole number up to {le}",
    "less_than": "expected a number below {lt}",
    "literal_error": "expected one of {expected}",
    "string_pattern_mismatch": "expected 1 to 40 of a-z 0-9 _ . - beginning with a letter or digit",
    "string_too_long": "expected at most {max_length} characters",
    "too_short": "expected at least {min_length} item(s)",
    "expected": "expected {what}",
}


def sentence(error: ErrorDetails, path: KeyPath, model: type[BaseModel]) -> str:
    """What is wrong at `path` of `model`, and what to write instead."""
    if error["type"] == "extra_forbidden":
        return unknown_key(str(path[-1]), keys_at(model, path[:-1]))
    template = _EXPECTED.get(error["type"])
    context: Mapping[str, Any] = error.get("ctx") or {}
    text = template.format_map(context) if template else error["msg"].removeprefix("Value error, ")
    return text if error["type"] == "missing" else f"{text}, found {found(error['input'], path)}"


def unknown_key(key: str, valid: Iterable[str]) -> str:
    """`no such key`, with the nearest valid one."""
    names = sorted(valid)
    close = nearest(key, names)
    return f"no such key{close}; valid here: {', '.join(names) or 'nothing'}"


def nearest(name: str, names: Iterable[str]) -> str:
    """`; did you mean X?` for the most similar of `names`, or nothing."""
    matches = difflib.get_close_matches(name[:80], list(names), n=1, cutoff=0.5)
    return f"; did you mean {matches[0]}?" if matches else ""


def found(value: Any, path: KeyPath = ()) -> str:  # noqa: ANN401 - whatever the file holds
    """What stands there, shortened, and never what may be a secret."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"[:40]
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if _TOKEN_LIKE.search(text) or any(_SECRETIVE.search(str(part)) for part in path):
        return f"a text of {len(text)} characters (not shown)"
    return repr(text if len(text) <= 40 else text[:37] + "...")


def keys_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys that are valid at `path`, as written in files; empty where any key is."""
    annotation: Any = model
    for part in path:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            fields = annotation.model_fields
            field = next((f for name, f in fields.items() if part in {name, f.alias}), None)
            annotation = _section(field.annotation) if field else None
        elif get_origin(annotation) in {list, dict}:
            annotation = _section(get_args(annotation)[-1])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [field.alias or name for name, field in annotation.model_fields.items()]
    return []


def _section(annotation: Any) -> Any:  # noqa: ANN401 - a type of any kind
    for option in get_args(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel) and get_origin(annotation) not in {list, dict}:
            return option
    return annotation
