"""The whole set-up in its order, and its last words."""

from __future__ import annotations

from pathlib import Path

from bot.start.check import check
from bot.start.discord import discord_step
from bot.start.mail import email_step, sms_step
from bot.start.people import own_persons, people
from bot.start.screen import Screen
from bot.start.telegram import telegram_step
from bot.start.tools import Tools, bot_of


def everything(screen: Screen, tools: Tools) -> None:
    """Every step; what is there already is only looked at again when the person wants it."""
    if not own_persons(tools) or screen.confirm("Persons are set up. Look at them again?", default=False):
        people(screen, tools)
    if screen.confirm("Connect Telegram?", default=True):
        telegram_step(screen, tools)
    if screen.confirm("Connect Discord?", default=True):
        discord_step(screen, tools)
    if screen.confirm("Alerts by e-mail too?", default=False):
        email_step(screen, tools, given={})
    if screen.confirm("Critical alerts as text messages too?", default=False):
        sms_step(screen, tools, given={})
    if any(_is_on(tools)):
        check(screen, tools)


def _is_on(tools: Tools) -> tuple[bool, ...]:
    config = bot_of(tools)
    return config.telegram.enabled, config.discord.enabled, config.email.enabled, config.sms.enabled


def ending(screen: Screen, tools: Tools) -> None:
    """What to do next: two commands."""
    data = "" if tools.data == Path(".moondev/paper") else f" --data {tools.data}"
    screen.step("Ready", f"Settings: {tools.file.path}. Secrets: {tools.secrets.place}.")
    screen.say(f"  ./moondev doctor{data}\n  ./moondev run{data}")
