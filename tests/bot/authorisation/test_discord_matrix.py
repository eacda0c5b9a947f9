"""The same matrix on Discord: every verb x every role and a stranger x every place x slash, completion, button, window.

The client is the real one without a connection: interactions are made from the JSON that Discord sends; what is
replaced is the way of the answer back, and the verbs' handlers.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from typing import Any

import discord
import pytest
from msgspec.structs import replace

from bot import discord_client
from bot.buttons import VOTE, Signer
from bot.config import DiscordConfig
from bot.discord_client import Client
from bot.message import Message
from bot.supervise import Health
from bot.verbs import VERBS, all_names, run_line
from domain.facts import RequestStatus
from tests.bot.authorisation.test_matrix import Reached, line_of, may
from tests.bot.servers import discord_objects as objects
from tests.bot.servers.discord_objects import CHANNEL, GUILD, OTHER_CHANNEL
from tests.bot.world import DISCORD, STRANGER, Engine, actor, fresh_id

PEOPLE = {name: DISCORD[name] for name in ("vera", "tina", "rosa", "adam")}
EVERYBODY = PEOPLE | {"mallory": STRANGER}
SLASH, BUTTON, TYPING, WINDOW = 2, 3, 4, 5
SHOWN = [verb for verb in VERBS if not verb.hidden]
DISCORD_EPOCH_MS = 1_420_070_400_000
_ids = itertools.count(1)


def snowflake() -> str:
    """An id of now: its time is when the interaction was made."""
    return str(((int(time.time() * 1000) - DISCORD_EPOCH_MS) << 22) + next(_ids))


@dataclass(frozen=True)
class Place:
    name: str
    channel: str
    heard: bool = False
    changed: tuple[tuple[str, Any], ...] = ()


PLACES = (
    Place("allowed channel", CHANNEL, heard=True),
    Place("alone with the bot", "dm", heard=True),
    Place("another channel", OTHER_CHANNEL),
    Place("another server", CHANNEL, changed=(("guild_id", "201"),)),
    Place("another server's channel of that number", OTHER_CHANNEL, changed=(("guild_id", "201"),)),
    Place("a group of people", "dm", changed=(("context", 2),)),
    Place("no server, and not alone", CHANNEL, changed=(("guild_id", None), ("context", 2), ("member", None))),
    Place("an app that a user has installed elsewhere", "dm", changed=(("context", 0),)),
)


def raw(kind: int, who: int, place: Place, data: dict[str, Any]) -> dict[str, Any]:
    where = objects.dm_of(who) if place.channel == "dm" else place.channel
    made = objects.interaction(snowflake(), kind, data, who, where, "token") | dict(place.changed)
    made = {key: value for key, value in made.items() if value is not None}
    return made if "member" in made else made | {"user": objects.user(who)}


@pytest.fixture(scope="module")
def engine():
    return Engine()


@pytest.fixture
def answered(monkeypatch):
    """Where answers end up: Discord itself is not there."""
    told: list[str] = []

    async def defer(_interaction: Any, **_: Any) -> bool:
        return True

    async def answer(_interaction: Any, parcels: Any, **_: Any) -> str:
        told.append(parcels[0].plain)
        return "1"

    monkeypatch.setattr(discord_client, "_defer", defer)
    monkeypatch.setattr(discord_client, "_answer", answer)
    return told


def client_of(engine: Engine, config: DiscordConfig | None = None) -> Client:
    config = config or DiscordConfig(enabled=True, guild_id=int(GUILD), allowed_channels=(int(CHANNEL),))
    client = Client(engine.room, config, Signer("discord-token", lambda: engine.desk.installation), Health())
    me: Any = objects.user(int(objects.BOT), bot=True)
    client._connection.user = discord.ClientUser(state=client._connection, data=me)
    return client


def seen(client: Client, kind: int, who: int, place: Place, data: dict[str, Any]) -> discord_client.Interaction:
    return discord.Interaction(data=raw(kind, who, place, data), state=client._connection)  # type: ignore[arg-type]


async def test_slash_commands(engine, answered):
    client, reached, carried = client_of(engine), Reached(), 0
    for verb in SHOWN:
        command = client._command(reached.verb(verb), verb.name.rpartition(" ")[2])
        options = {argument.name: (argument.choices or ("1",))[0] for argument in verb.arguments if argument.required}
        for person, number in EVERYBODY.items():
            for place in PLACES:
                ignored = client._health.ignored
                interaction = seen(client, SLASH, number, place, {"id": "1", "name": verb.name, "type": 1})
                await command.callback(interaction, **options)  # type: ignore[call-arg]
                is_heard = place.heard and person in PEOPLE
                assert reached.take() == ([(verb.name, person)] if is_heard and may(person, verb) else []), (
                    verb.name,
                    person,
                    place.name,
                )
                assert bool(answered) == is_heard, "who is not heard gets nothing"
                assert client._health.ignored - ignored == (not is_heard)
                carried += is_heard and may(person, verb)
                answered.clear()
    assert carried == 2 * sum(may(person, verb) for verb in SHOWN for person in PEOPLE) > 200


async def test_completion_tells_nothing_to_who_may_not_use_the_verb(engine):
    client = client_of(engine)
    for verb in SHOWN:
        for argument in (one for one in verb.arguments if one.complete is not None):
            complete = client._completer(verb, argument)
            for person, number in EVERYBODY.items():
                for place in PLACES:
                    found = await complete(seen(client, TYPING, number, place, {"id": "1", "name": verb.name}), "")
                    if not (place.heard and person in PEOPLE and may(person, verb)):
                        assert found == [], (verb.name, argument.name, person, place.name)
                    elif argument.complete is all_names:
                        offered = {choice.value for choice in found}
                        assert offered <= {one.name for one in SHOWN if may(person, one)}
                        assert offered
                    else:
                        assert argument.complete is not None
                        assert len(found) == min(25, len(set(argument.complete(engine.desk))))


async def test_a_signed_button_counts_for_who_may_vote_and_from_where_people_are_heard(answered):
    engine = Engine()
    client = client_of(engine)
    await run_line(engine.room, actor("tina"), "/halt", fresh_id())
    await run_line(engine.room, actor("rolf"), "/resume", fresh_id())
    [request] = engine.desk.pending()
    yes = client._signer.button(request.id, request.digest, VOTE, "y").data
    votes = engine.driver.core.state.requests[request.id].votes
    for person, number in EVERYBODY.items():
        for place in PLACES:
            await client.press(seen(client, BUTTON, number, place, {"custom_id": yes, "component_type": 2}), yes)
            is_heard = place.heard and person in PEOPLE
            assert bool(votes) == (is_heard and person in {"rosa", "adam"}), (person, place.name)
            assert bool(answered) == is_heard
            answered.clear()
            votes.clear()


async def test_a_window_is_answered_in_the_name_of_who_sends_it(engine, answered):
    """The window was opened by rosa's press; whoever sends it is judged anew."""
    for person, number in EVERYBODY.items():
        for place in PLACES:
            client = client_of(engine)
            votes: list[str] = []

            async def run(interaction: Any, code: str, client: Client = client, votes: list[str] = votes) -> None:
                async def vote(actor: Any) -> Message:
                    votes.append(f"{actor.person} {code}")
                    return Message(title="voted")

                await client._serve(interaction, vote, urgent=False)

            window = discord_client.CodeWindow("/approve R1", run)
            window.code._value = "123456"
            await window.on_submit(seen(client, WINDOW, number, place, {"custom_id": "x", "components": []}))
            assert votes == ([f"{person} 123456"] if place.heard and person in PEOPLE else [])
            answered.clear()


async def test_no_button_carries_a_verb(engine, answered):
    client, before = client_of(engine), len(engine.taken)
    for verb in SHOWN:
        for person, number in EVERYBODY.items():
            data = line_of(verb)[:100]
            await client.press(seen(client, BUTTON, number, PLACES[0], {"custom_id": data, "component_type": 2}), data)
            assert bool(answered) == (person in PEOPLE)
            assert all("Closed" in text for text in answered)
            answered.clear()
    assert len(engine.taken) == before, "nothing has reached the engine"


async def test_without_a_list_of_channels_the_whole_server_is_heard_and_no_other(engine, answered):
    client = client_of(engine, DiscordConfig(enabled=True, guild_id=int(GUILD)))
    verb = next(one for one in SHOWN if one.name == "status")
    heard = []
    for place in PLACES:
        interaction = seen(client, SLASH, PEOPLE["vera"], place, {"id": "1", "name": "status"})
        await client._command(verb, "status").callback(interaction)  # type: ignore[call-arg]
        heard += [place.name] if answered else []
        answered.clear()
    assert heard == ["allowed channel", "alone with the bot", "another channel"]


async def test_a_strangers_press_is_on_record_once(answered):
    engine = Engine()
    client = client_of(engine)
    await run_line(engine.room, actor("tina"), "/halt", fresh_id())
    await run_line(engine.room, actor("rolf"), "/resume", fresh_id())
    [request] = engine.desk.pending()
    yes = client._signer.button(request.id, request.digest, VOTE, "y")
    for _ in range(3):
        await client.press(
            seen(client, BUTTON, STRANGER, PLACES[0], {"custom_id": yes.data, "component_type": 2}), yes.data
        )
    await asyncio.sleep(0)
    told = [fact for fact in engine.facts if getattr(fact, "kind", "") == "press_refused"]
    assert len(told) == 1
    assert engine.driver.core.state.requests[request.id].status is RequestStatus.PENDING
    assert answered == []
    assert replace(request, votes=()) == request
