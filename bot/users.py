"""The verbs of people: who may do what, and changes of it, which two others agree to."""

from __future__ import annotations

from typing import Final

from bot.call import Call
from bot.links import CHANNELS, FIELD
from bot.message import Message, Table, Text
from bot.outcome import submit
from bot.parse import Argument, UsageError, suggest
from bot.rows import REASON, acts, person_ids, reads
from domain import commands
from domain.settings import Person, RoleName

ROLES: Final = tuple(role.name.lower() for role in RoleName)


async def users(call: Call) -> Message:
    """Everybody with their role, accounts and zone."""
    found = [person for view in call.desk.persons() if (person := call.desk.person(view.id)) is not None]
    rows = tuple(
        (
            person.id,
            person.name,
            person.role.name.lower(),
            str(person.telegram_user_id or "-"),
            str(person.discord_user_id or "-"),
            call.room.zone(person.id),
        )
        for person in found
    )
    table = Table(("id", "name", "role", "telegram", "discord", "zone"), rows, left=6)
    hint = Text(
        "/users role PERSON ROLE, /users link PERSON CHANNEL NUMBER, /users unlink PERSON CHANNEL: others agree."
    )
    return Message(title=f"People: {len(found)}", blocks=(table, hint))


async def set_role(call: Call) -> Message:
    """Ask for another role of a person."""
    person, role = person_of(call), call.arguments["role"].lower()
    return await _change(call, f"persons.{person.id}.role", role)


async def link_account(call: Call) -> Message:
    """Ask that an account on a channel becomes a person's; two persons never have the same."""
    person, channel, number = person_of(call), call.arguments["channel"].lower(), call.arguments["number"]
    if not (number.isascii() and number.isdecimal()):
        raise UsageError(f"{number!r} is not an account's number. Names change hands; /help users link says more")
    return await _change(call, f"persons.{person.id}.{FIELD[channel]}", number)


async def unlink_account(call: Call) -> Message:
    """Ask that a person's account on a channel counts no more."""
    person, channel = person_of(call), call.arguments["channel"].lower()
    return await _change(call, f"persons.{person.id}.{FIELD[channel]}", "0")


async def _change(call: Call, path: str, value: str) -> Message:
    reason = call.arguments.get("reason", "")
    return await submit(call, commands.ChangeSettings(path=path, value=value, reason=reason))


def person_of(call: Call) -> Person:
    """The person that the argument `person` names, by id or name. Raises `UsageError` with the nearest ones."""
    wanted = call.arguments["person"].lower()
    everybody = [person for view in call.desk.persons() if (person := call.desk.person(view.id)) is not None]
    by_id = [person for person in everybody if person.id.lower() == wanted]
    found = by_id or [person for person in everybody if person.name.lower() == wanted]
    if len(found) != 1:
        why = "several persons are called" if found else "no person is called"
        raise UsageError(f"{why} {wanted!r}: {suggest(wanted, [person.id for person in found or everybody])}")
    return found[0]


PERSON: Final = Argument(name="person", help="a person's id, see /users", complete=person_ids)
CHANNEL: Final = Argument(name="channel", help="telegram or discord", choices=CHANNELS)

VERBS: Final = (
    reads(
        "users list",
        "Persons with their roles and accounts",
        users,
        role=RoleName.ADMIN,
        aliases=("users show", "admin"),
        examples=("/users",),
    ),
    acts(
        "users role",
        "Ask for another role of a person",
        set_role,
        PERSON,
        Argument(name="role", help="viewer, trader, risk or admin", choices=ROLES),
        REASON,
        role=RoleName.ADMIN,
        gate="P2",
        examples=("/users role vera trader she trades now",),
    ),
    acts(
        "users link",
        "Ask that an account becomes a person's; they can do it themselves with /link",
        link_account,
        PERSON,
        CHANNEL,
        Argument(name="number", help="the account's number, never its name"),
        REASON,
        role=RoleName.ADMIN,
        gate="P2",
        examples=("/users link vera telegram 11111111",),
    ),
    acts(
        "users unlink",
        "Ask that a person's account on a channel counts no more",
        unlink_account,
        PERSON,
        CHANNEL,
        REASON,
        role=RoleName.ADMIN,
        gate="P2",
        examples=("/users unlink vera telegram lost phone",),
    ),
)
