"""Whose chat account is set up, and writing it down."""

from __future__ import annotations

from collections.abc import Iterator

from bot.start.people import real_persons, say_what_is_in_force
from bot.start.save import person_change, save
from bot.start.screen import Screen
from bot.start.tools import Stopped, Tools


def person_of(screen: Screen, tools: Tools, given: str, field: str) -> str:
    """The person whose account it is: the one given, the only one, or who is asked for. Raises `Stopped`."""
    known: list[str] = [one["id"] for one in real_persons(tools)]
    if not known:
        raise Stopped("nobody is named in the settings yet: ./moondev init people first")
    if given:
        if given not in known:
            raise Stopped(f"there is no person {given!r} in {tools.file.path}; there are {', '.join(known)}")
        return given
    if len(known) == 1 or not screen.asks:
        return known[0]

    def unknown(text: str) -> str:
        return "" if text in known else f"there are {', '.join(known)}"

    free = [one["id"] for one in real_persons(tools) if not one.get(field)]
    return screen.ask("Whose account is it", option="--person", default=(free or known)[0], check=unknown)


def others(screen: Screen, tools: Tools, who: str, field: str) -> Iterator[str]:
    """The persons after the first one whose account is to be linked too, as long as somebody sits here."""
    for one in real_persons(tools) if screen.asks else ():
        if one["id"] != who and not one.get(field) and screen.confirm(f"Is {one['id']} here too?", default=False):
            yield str(one["id"])


def keep_account(screen: Screen, tools: Tools, who: str, channel: str, account: int) -> None:
    """Write down that an account speaks for a person. Raises `ConfigError` when it is somebody else's."""
    save(screen, tools, person_change(tools, who, **{f"{channel.lower()}_user_id": account}))
    screen.done(f"{who} is {channel} account {account}")
    say_what_is_in_force(screen, tools)
