"""The Discord step: token, invitation, person, channel of the alerts, test message. Settled things are kept at once."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import Any

import discord
from msgspec import Struct

from bot.config import DiscordConfig
from bot.links import shown_name
from bot.start.account import keep_account, others, person_of
from bot.start.background import Background
from bot.start.guild import Guild, Interaction, TokenRefused, missing
from bot.start.people import own_persons
from bot.start.save import save, with_one
from bot.start.screen import Screen
from bot.start.tools import CODE_WAIT_S, PRESS_WAIT_S, Stopped, Tools, bot_of, refuse_beside_a_service

ENVIRONMENT = "MOONDEV_DISCORD_TOKEN"
TOKEN = re.compile(r"[A-Za-z0-9_-]{18,60}\.[A-Za-z0-9_-]{6,10}\.[A-Za-z0-9_-]{25,60}")
PORTAL = "https://discord.com/developers/applications"
AGAIN = "what is done is kept: ./moondev init discord goes on"
WHY = (
    "Needed: an app of your own with a bot, and a server to which you may add it. Its token is kept in {place},\n"
    "nowhere else."
)
MAKE_ONE = (
    "In the developer portal: New Application, then Bot, Reset Token, and copy it. No privileged intent is needed;\n"
    "Public Bot may be off. Paste the token here, never into a chat."
)


class Sender(Struct, frozen=True):
    """A Discord account that has sent the code, and how to answer it."""

    account: int
    name: str
    interaction: Any


class Channel(Struct, frozen=True):
    """Where somebody has sent /here, and what the bot is allowed there."""

    id: int
    name: str
    lacks: str
    interaction: Any


def discord_step(
    screen: Screen,
    tools: Tools,
    *,
    person: str = "",
    account: int = 0,
    guild: int = 0,
    channel: int = 0,
    test: bool = True,
) -> None:
    """Set Discord up. `account`, `guild` and `channel` are taken instead of being asked for."""
    screen.step("Discord", WHY.format(place=tools.secrets.place))
    refuse_beside_a_service(tools, "discord")
    who = person_of(screen, tools, person, "discord_user_id")
    with Background() as background:
        client = _opened(screen, tools, background)
        try:
            server = _guild(screen, background, client, guild)
            linked = account or _linked(screen, tools, background, client, server, who)
            keep_account(screen, tools, who, "Discord", linked)
            place = Channel(channel, f"channel {channel}", "", None)
            if not channel:
                place = _heard_channel(screen, background, client, linked)
            _keep(screen, tools, server, place)
            if test:
                _tested(screen, background, client, place, linked)
            for other in others(screen, tools, who, "discord_user_id"):
                keep_account(screen, tools, other, "Discord", _linked(screen, tools, background, client, server, other))
        finally:
            background.run(client.aclose())
    screen.done("Discord is set up. Another person: ./moondev init discord --person ID, or later /link discord")


def _opened(screen: Screen, tools: Tools, background: Background) -> Guild:
    """A connection with the token that is kept, given or asked for, until one is right."""
    config = bot_of(tools).discord
    given = os.environ.get(ENVIRONMENT, "")
    kept = tools.secrets.get(config.token_secret) if tools.secrets.has(config.token_secret) else ""
    for token, source in ((given, ENVIRONMENT), (kept, tools.secrets.place)):
        if not token:
            continue
        try:
            client = _try(background, config, token)
        except TokenRefused as error:
            if not screen.asks:
                raise
            screen.problem(f"the token from {source}: {error}")
            continue
        if token == given or screen.confirm(f"Go on with the bot {client.name}?", default=True):
            return _kept(screen, tools, config, client, token)
        background.run(client.aclose())
    screen.say(MAKE_ONE)
    screen.say(f"  {PORTAL}")
    while True:
        token = screen.secret("Token", option=ENVIRONMENT, check=token_problem)
        try:
            return _kept(screen, tools, config, _try(background, config, token), token)
        except Stopped as error:
            screen.problem(str(error))


def _try(background: Background, config: DiscordConfig, token: str) -> Guild:
    if problem := token_problem(token):
        raise TokenRefused(problem)
    return background.run(Guild.opened(config, token))


def _kept(screen: Screen, tools: Tools, config: DiscordConfig, client: Guild, token: str) -> Guild:
    tools.secrets.keep(config.token_secret, token)
    screen.done(f"the bot is {client.name}, its token is kept as {config.token_secret}")
    return client


def _guild(screen: Screen, background: Background, client: Guild, wanted: int) -> discord.Guild:
    """The server: the one given, the one the bot is in, or the next that it is added to. Its commands are there."""
    there = {one.id: one for one in client.guilds}
    if wanted and wanted not in there:
        raise Stopped(f"the bot is not in server {wanted}: add it with {client.invitation}")
    chosen = there.get(wanted) if wanted else None
    if chosen is None and there:
        chosen = next(
            (one for one in there.values() if screen.confirm(f"In the server {one.name}?", default=True)), None
        )
    while True:
        if chosen is None:
            chosen = _invited(screen, background, client)
        problem = background.run(client.register(chosen.id))
        if not problem:
            screen.done(f"the server is {chosen.name}")
            return chosen
        screen.problem(f"{chosen.name}: {problem}")
        if not screen.confirm("Try again?", default=screen.asks):
            raise Stopped(f"the bot has no commands in {chosen.name}; {AGAIN}")
        screen.qr(client.invitation)


def _invited(screen: Screen, background: Background, client: Guild) -> discord.Guild:
    if client.wants_grant:
        screen.problem('in the portal, Bot: switch "Requires OAuth2 Code Grant" off, or the link will not work')
    screen.say("\nOpen this link where you are logged in, and add the bot to your server:")
    screen.qr(client.invitation)
    while True:
        with screen.waiting("Waiting for the server"):
            found = background.run(client.joined(CODE_WAIT_S))
        if found is not None:
            return found
        if not screen.confirm("It is in no new server. Wait on?", default=screen.asks):
            raise Stopped(f"the bot is in no server; {AGAIN}")


def _linked(
    screen: Screen, tools: Tools, background: Background, client: Guild, server: discord.Guild, who: str
) -> int:
    """The account that has sent the code and said yes; confirmed here too."""
    own = next(one for one in own_persons(tools) if one["id"] == who)
    known = int(own["discord_user_id"])
    if known and not (screen.asks and screen.confirm(f"{who} is account {known}. Link another one?", default=False)):
        return known
    while True:
        code = tools.new_code()
        screen.say(f"\nIn any channel of {server.name}, from {who}'s account: /link code:{code} (nobody else sees it)")
        with screen.waiting(f"Waiting for the code, {CODE_WAIT_S / 60:.0f} min"):
            sender = background.run(client.hear(partial(_claimed, code), CODE_WAIT_S))
        if sender is not None:
            screen.say(
                f"{sender.name}, account {sender.account}, has sent the code and is asked there whether it is {who}."
            )
            if not _agrees(screen, background, client, sender, who):
                screen.problem("it was not answered there; nothing is linked")
            elif screen.confirm(f"Is {sender.name} really {who}?", default=not screen.asks):
                return sender.account
        if not screen.confirm("Nothing was linked. Another code?", default=screen.asks):
            raise Stopped(f"no account was linked; {AGAIN}")


def _agrees(screen: Screen, background: Background, client: Guild, sender: Sender, who: str) -> bool:
    data = f"init:{sender.account}:yes"
    text = f"This account becomes {who} of a MoonDev service, and may then do what {who} may. Not you? Ignore this."
    background.run(client.answer(sender.interaction, text, (f"Yes, I am {who}", data)))
    with screen.waiting("Waiting for the answer on Discord"):
        press = background.run(client.hear(partial(_pressed, data, sender.account), PRESS_WAIT_S))
    if press is None:
        return False
    background.run(client.answer(press, f"Thank you. Once the terminal says yes too, you are {who}."))
    return True


def _heard_channel(screen: Screen, background: Background, client: Guild, account: int) -> Channel:
    """Where the person sends /here, once the bot may do there what it needs."""
    screen.say("\nWhere shall alerts go? In that channel send: /here")
    while True:
        with screen.waiting("Waiting for /here"):
            place = background.run(client.hear(partial(_here, account), CODE_WAIT_S))
        if place is None:
            if not screen.confirm("Nothing came. Wait on?", default=screen.asks):
                raise Stopped(f"no channel for alerts was chosen; {AGAIN}")
            continue
        if place.lacks:
            text = f"The bot is not allowed here: {place.lacks}. Give its role that in this channel, then /here again."
            screen.problem(f"{place.name}: {text}")
            background.run(client.answer(place.interaction, text))
            continue
        background.run(client.answer(place.interaction, "Alerts come here once the terminal says yes too."))
        if screen.confirm(f"Alerts to {place.name}?", default=True):
            return place


def _keep(screen: Screen, tools: Tools, server: discord.Guild, place: Channel) -> None:
    own = tools.file.own().get("discord")
    section = own if isinstance(own, dict) else {}
    other = section.get("guild_id")
    listed = section.get("alert_channels") if other in {server.id, None, 0} else []
    changes: dict[tuple[str, ...], Any] = {
        ("discord", "enabled"): True,
        ("discord", "guild_id"): server.id,
        ("discord", "alert_channels"): with_one(listed, place.id),
    }
    if section.get("allowed_channels"):
        changes["discord", "allowed_channels"] = with_one(section["allowed_channels"], place.id)
    save(screen, tools, changes)


def _tested(screen: Screen, background: Background, client: Guild, place: Channel, account: int) -> None:
    """A test message, until the person has pressed its button, or says that it has not come."""
    data = f"init:{account}:arrived"
    text = "Test message of ./moondev init: alerts will come here. Has it arrived?"
    while True:
        try:
            background.run(client.post(place.id, text, ("It has arrived", data)))
            if not screen.asks:
                screen.done(f"a test message was sent to {place.name}; nobody was asked whether it arrived")
                return
            with screen.waiting(f"Sent to {place.name}: press its button"):
                press = background.run(client.hear(partial(_pressed, data, account), PRESS_WAIT_S))
            if press is not None:
                background.run(client.answer(press, "Arrived."))
                screen.done("the test message has arrived")
                return
            screen.problem("nobody pressed the button. Do you see the channel, and is the server muted?")
        except Stopped as error:
            screen.problem(str(error))
        if not screen.confirm("Send it again?", default=screen.asks):
            raise Stopped("the test message did not arrive: ./moondev init discord looks again")


def _claimed(code: str, interaction: Interaction, text: str) -> Sender | None:
    if text.upper() != f"LINK {code}":
        return None
    user = interaction.user
    return Sender(user.id, shown_name(f"@{user.name}"), interaction)


def _pressed(data: str, account: int, interaction: Interaction, text: str) -> Interaction | None:
    return interaction if text == data and interaction.user.id == account else None


def _here(account: int, interaction: Interaction, text: str) -> Channel | None:
    if text != "here" or interaction.user.id != account or interaction.guild_id is None:
        return None
    name = getattr(interaction.channel, "name", "") or str(interaction.channel_id)
    return Channel(
        interaction.channel_id or 0, f"#{shown_name(name)}", missing(interaction.app_permissions), interaction
    )


def token_problem(text: str) -> str:
    """What is wrong with the look of a token; never the token itself."""
    if TOKEN.fullmatch(text):
        return ""
    return "that is no bot token: it has three parts with dots between (MTA2....GhIj....x5z), about 70 letters"
