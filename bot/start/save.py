"""Writes a change of the settings file, after showing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.start.screen import Screen
from bot.start.tools import Stopped, Tools

Path = tuple[str, ...]


def save(screen: Screen, tools: Tools, changes: Mapping[Path, Any]) -> None:
    """Change the settings. Raises `ConfigError` for what a start would refuse, `Stopped` when the person says no."""
    draft = tools.file.draft(changes)
    if not draft.lines:
        screen.done(f"{tools.file.path} says so already")
        return
    screen.say(f"{tools.file.path}:")
    screen.diff(draft.lines[2:])
    if not screen.confirm("Write this?", default=True):
        raise Stopped("nothing was written; begin the step again when you like")
    copy = tools.file.write(draft)
    screen.done(f"written{f'; the old one is {copy.name}' if copy is not None else ''}")


def person_change(tools: Tools, person: str, **fields: Any) -> dict[Path, Any]:  # noqa: ANN401 - what a person has
    """Fields of one person; the file gets a list of persons of its own where it has none."""
    if "persons" in tools.file.own():
        return {("persons", person, key): value for key, value in fields.items()}
    listed = [short(one | (fields if one["id"] == person else {})) for one in tools.file.sections()["persons"]]
    if all(one["id"] != person for one in listed):
        listed.append({"id": person, **fields})
    return {("persons",): listed}


def with_one(known: object, one: int | str) -> list[int | str]:
    """A list of the settings with one more in it."""
    listed = list(known) if isinstance(known, list) else []
    return listed if one in listed else [*listed, one]


def short(person: Mapping[str, Any]) -> dict[str, Any]:
    """A person without what is not said of them."""
    return {key: value for key, value in person.items() if value}
