"""Arguments of verbs as programs give them: what each takes, as JSON Schema, and the same as a check.

Both are made from the verb table, so that the document says no more and no less than what is taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from domain.answer import BadArgument
from domain.verb_views import ArgumentView, VerbView

LONGEST: Final = 1_000
LARGEST: Final = 2**53 - 1
DIGITS: Final = "[0-9]{1,15}"
WORD: Final = "[!-~]{1,200}"
"""Whatever is named in one word is named in ASCII."""


def arguments_schema(verb: VerbView) -> dict[str, Any]:
    """What `arguments` of a verb takes."""
    return {
        "type": "object",
        "properties": {argument.name: argument_schema(argument) for argument in verb.arguments},
        "required": [argument.name for argument in verb.arguments if argument.is_required],
        "additionalProperties": False,
    }


def argument_schema(argument: ArgumentView) -> dict[str, Any]:
    """What one argument takes; an optional one may be empty, which says nothing."""
    said = {"description": argument.help}
    if argument.kind == "choice":
        return {**said, "type": "string", "enum": [*argument.choices, *([] if argument.is_required else [""])]}
    if argument.kind == "whole":
        text = {"type": "string", "pattern": _whole(argument, DIGITS)}
        return {**said, "anyOf": [{"type": "integer", "minimum": 0, "maximum": LARGEST}, text]}
    schema: dict[str, Any] = {**said, "type": "string", "maxLength": LONGEST}
    if argument.is_required:
        schema["minLength"] = 1
    if argument.kind == "pattern":
        schema["pattern"] = _whole(argument, argument.pattern)
    elif not argument.is_rest:
        schema["pattern"] = _whole(argument, WORD)
    return schema


def _whole(argument: ArgumentView, pattern: str) -> str:
    return f"^(?:{pattern})$" if argument.is_required else f"^(?:{pattern})?$"


def checked(verb: VerbView, given: Mapping[str, object]) -> dict[str, str]:
    """Arguments as text, without the empty ones. Raises `BadArgument` for the first that cannot be right."""
    known = {argument.name: argument for argument in verb.arguments}
    for name in given:
        if name not in known:
            there = f"it has {', '.join(known)}" if known else "it has none"
            raise BadArgument(f"/{verb.name} has no argument {name[:40]!r}: {there}")
    found: dict[str, str] = {}
    for argument in verb.arguments:
        if argument.name in given:
            text = _text(argument, given[argument.name])
            if text:
                found[argument.name] = text
        if argument.is_required and argument.name not in found:
            raise BadArgument(f"{argument.name} is missing ({argument.help}): {verb.usage}")
    return found


def _text(argument: ArgumentView, value: object) -> str:
    """One argument as the table takes it. Raises `BadArgument`."""
    name = argument.name
    if argument.kind == "whole" and isinstance(value, int | float):  # in JSON 3.0 is a whole number as well
        if (isinstance(value, int) or value.is_integer()) and 0 <= value <= LARGEST:
            return str(int(value))
        raise BadArgument(f"{name} is a whole number from 0 to {LARGEST}")
    if not isinstance(value, str):
        raise BadArgument(f"{name} is {'a whole number' if argument.kind == 'whole' else 'text'}: {argument.help}")
    if not value and not argument.is_required:
        return ""
    if len(value) > LONGEST:
        raise BadArgument(f"{name} is at most {LONGEST} characters")
    if argument.kind == "choice" and value not in argument.choices:
        raise BadArgument(f"{name} is one of {', '.join(argument.choices)}")
    pattern = {"whole": DIGITS, "pattern": argument.pattern, "text": "" if argument.is_rest else WORD}
    if (wanted := pattern.get(argument.kind)) and re.fullmatch(wanted, value) is None:
        raise BadArgument(f"{name} is {_words(argument)}: {argument.help}")
    return value


def _words(argument: ArgumentView) -> str:
    return {"whole": "a whole number", "pattern": "not of this form"}.get(argument.kind, "one word, without spaces")
