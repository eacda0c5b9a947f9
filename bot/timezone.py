"""The verb `/timezone`: in which zone a person reads times. The PNL day stays UTC, whatever they choose."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from bot.call import Call
from bot.message import Message, Pairs, Text, utc_text
from bot.parse import Argument
from bot.rows import reads
from bot.times import local_text, zone_names, zone_of

if TYPE_CHECKING:
    from engine.desk import Desk


async def timezone(call: Call) -> Message:
    """Show the person's zone, or choose another one."""
    wanted, people = call.arguments.get("zone", ""), call.room.people
    is_kept = True
    if wanted:
        is_kept = await people.change(call.person.id, timezone=zone_of(wanted))
    zone, now_ns = people.of(call.person.id).timezone, time.time_ns()
    rows = (("zone", zone), ("there", local_text(now_ns, zone)), ("UTC", utc_text(now_ns)))
    lines = ["Replies show both times. The PNL day is the UTC day for everybody."]
    lines += [] if wanted else ["Another one: /timezone Europe/Berlin"]
    lines += [] if is_kept else ["The disk refused it: it holds until the next start."]
    title = f"Your time zone is {'now ' if wanted else ''}{zone}"
    return Message(title=title, blocks=(Pairs(rows), *map(Text, lines)))


def _zones(_: Desk) -> list[str]:
    return zone_names()


VERBS: Final = (
    reads(
        "timezone",
        "In which zone you read times",
        timezone,
        Argument(name="zone", help="a zone or city: Europe/Berlin, Tokyo", required=False, rest=True, complete=_zones),
        aliases=("tz",),
        examples=("/timezone Europe/Berlin", "/timezone tokyo"),
        by_person=True,
    ),
)
