"""The Discord bot before a judge that we did not write: simcord plays Discord in the process, in virtual time.

It enforces what Discord does (three seconds to acknowledge, one first answer, options as they were synced, limits of
embeds and components, permissions) and turns an unnoticed error into a failure.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import discord
import pytest
import simcord
from msgspec import structs

from bot import discord_client
from bot.config import BotConfig, DiscordConfig
from bot.discord_client import Client
from bot.service import ChatOps
from domain.facts import TradingState
from tests.bot import test_codes
from tests.bot.test_telegram import trade
from tests.bot.world import PERSONS, ROLES, SECRETS, Engine, Secrets, order, running, until


@dataclass
class Judged:
    """Our bot in simcord's guild, and the people there."""

    env: Any
    channel: Any
    people: dict[str, Any]
    engine: Engine
    chat: ChatOps

    def client(self) -> Client:
        """A new connection of our bot, as after a restart."""
        bot = self.chat.discord
        assert bot is not None
        assert bot.signer is not None
        return Client(self.chat.room, self.chat._config.discord, bot.signer, bot.health)

    async def slash(self, who: str, name: str, /, **options: str) -> str:
        """What a person sees as the answer to a slash command."""
        return text_of((await self.people[who].slash(self.channel, name, **options)).response)

    async def click(self, who: str, under: discord.Message, label: str) -> Any:
        return await self.people[who].click(under, label=label)

    def last(self, containing: str) -> discord.Message:
        """The newest message in the channel with a text in it."""
        return next(one for one in reversed(self.channel.history()) if containing in text_of(one))

    async def card(self, containing: str = "Approve?") -> discord.Message:
        """A card, as soon as the outbox has sent it."""
        await until(lambda: any(containing in text_of(one) for one in self.channel.history()))
        return self.last(containing)


def text_of(message: Any) -> str:
    """The text of a message and its embeds; "" for no message."""
    if message is None:
        return ""
    return "\n".join([message.content, *(embed.description or "" for embed in message.embeds)])


@asynccontextmanager
async def judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_engine: Callable[[], Engine] = Engine
) -> AsyncIterator[Judged]:
    """The ids are Discord's to give, so people and places are there before the engine that knows them."""
    async with simcord.run(discord.Client(intents=discord.Intents(guilds=True))) as env:
        guild = env.create_guild("desk")
        channel = guild.create_text_channel("desk")
        people = {name: guild.add_member(env.create_user(name)) for name in [*ROLES, "stranger"]}
        known = tuple(structs.replace(person, discord_user_id=people[person.id].id) for person in PERSONS)
        monkeypatch.setattr("tests.bot.world.PERSONS", known)
        engine = made_engine()
        behind_ns = time.time_ns() - int(env.now().timestamp() * 1e9)
        sent_ns = discord_client._sent_ns
        monkeypatch.setattr(
            discord_client, "_sent_ns", lambda one: sent_ns(one) + behind_ns
        )  # it has a year of its own
        config = DiscordConfig(
            enabled=True, guild_id=guild.id, allowed_channels=(channel.id,), alert_channels=(channel.id,)
        )
        chat = ChatOps(engine.desk, BotConfig(discord=config), Secrets(SECRETS), tmp_path)
        assert chat.discord is not None
        chat.discord.run = asyncio.Event().wait  # type: ignore[method-assign, assignment]  # the judge connects it
        async with running(chat):
            await until(lambda: chat._health.state == "up")
            made = Judged(env, channel, people, engine, chat)
            await env.restart_bot(made.client())
            yield made


def before_the_judge(
    test: Callable[[Judged], Awaitable[None]],
) -> Callable[[Path, pytest.MonkeyPatch], Awaitable[None]]:
    """A test that is given the bot in simcord's guild: simcord wants to begin and end in one task."""

    async def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        async with judged(tmp_path, monkeypatch) as made:
            await test(made)

    run.__name__ = test.__name__
    return run


@before_the_judge
async def test_slash_commands_are_synced_and_answered_and_strangers_get_nothing(j: Judged) -> None:
    assert "Status: ACTIVE" in await j.slash("vera", "status")
    assert "halt: refused" in await j.slash("vera", "halt")
    assert "halt: done" in await j.slash("tina", "halt", reason="@everyone look")
    assert j.engine.trading is TradingState.HALTED
    assert not (await j.card("Trading is HALTED")).mention_everyone
    shown = await j.people["stranger"].slash(j.channel, "status")
    assert not shown.acknowledged


@before_the_judge
async def test_two_persons_press_and_the_one_who_asked_does_not_count(j: Judged) -> None:
    asked = await j.slash("rosa", "override", rule="open_positions", value="25", minutes="12", scope="all", reason="x")
    assert "waits for approval" in asked
    card = await j.card()
    assert "refused" in text_of((await j.click("rosa", card, "Approve")).response)
    assert "R1 needs 1 more" in text_of((await j.click("rolf", card, "Approve")).response)
    assert "refused" in text_of((await j.click("rolf", await j.card(), "Approve")).response)
    await j.env.restart_bot(j.client())
    assert "approve: done" in text_of((await j.click("adam", j.last("Approve?"), "Approve")).response)
    decided = await j.card("override R1: approved")
    assert decided.id == card.id
    assert not decided.components


@before_the_judge
async def test_a_stranger_presses_a_button_and_nothing_happens(j: Judged) -> None:
    await order(j.engine.desk, "tina")
    pressed = await j.click("stranger", await j.card(), "Approve")
    assert not pressed.acknowledged
    assert j.engine.driver.core.state.requests["R1"].votes == []


async def test_the_code_of_a_vote_is_asked_for_in_a_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with judged(tmp_path, monkeypatch, test_codes.guarded) as j:
        await test_codes.resume_asked(j.engine)
        card = await j.card()
        for typed, reply in (("000000", "approve: refused"), (test_codes.code(j.engine, "rosa"), "Your vote counts")):
            window = await j.click("rosa", card, "Approve")
            answered = await j.people["rosa"].submit_modal(window, {"code": typed})
            assert reply in text_of(answered.response)


@before_the_judge
async def test_a_slow_command_is_acknowledged_within_three_seconds_and_answered_when_it_is_done(j: Judged) -> None:
    j.engine.desk.slow_s = 60
    asked = await j.people["tina"].slash(j.channel, "hold", symbol="ETH")
    assert asked.acknowledged
    assert text_of(asked.response) == ""
    await j.env.advance_time(61)
    await j.env.settle()
    assert "hold: done" in text_of(asked.response)


@before_the_judge
async def test_an_answer_that_discord_refuses_comes_through_the_outbox(j: Judged) -> None:
    j.env.inject_error("PATCH", "/webhooks/*", status=404, code=10015, message="Unknown Webhook", times=None)
    await j.people["tina"].slash(j.channel, "whoami")
    assert "You are Tina" in text_of(await j.card("You are Tina"))


@before_the_judge
async def test_a_channel_that_answers_with_errors_gets_the_alert_once_it_works(j: Judged) -> None:
    j.env.inject_error("POST", "/channels/*/messages", status=503, times=2)
    await j.slash("tina", "halt")
    assert "Trading is HALTED" in text_of(await j.card("Trading is HALTED"))


@before_the_judge
async def test_a_long_answer_is_a_file(j: Judged) -> None:
    j.engine.desk.preload([trade(number) for number in range(500)], [])
    shown = await j.people["vera"].slash(j.channel, "trades", n="500")
    assert [file.filename for file in shown.response.attachments] == ["trades-last-500.txt"]
