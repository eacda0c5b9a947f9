"""`moondev init check`: every channel looked at; with a test message to each place that alerts go to, if wanted."""

from __future__ import annotations

import asyncio

from bot.start.look import look
from bot.start.people import own_persons
from bot.start.screen import Screen
from bot.start.tools import Stopped, Tools, bot_of


def check(screen: Screen, tools: Tools) -> None:
    """Say how every channel is. Raises `Stopped` when one of them cannot work."""
    screen.step("Check", "Looks at every channel the way the service uses it. Nothing is sent, nobody is disturbed.")
    config = bot_of(tools)
    found = asyncio.run(look(config, own_persons(tools), tools.secrets))
    if not found:
        raise Stopped("no channel is switched on: ./moondev init telegram, ./moondev init discord")
    for one in found:
        if one.ok:
            screen.done(f"{one.where}: {one.text}")
        else:
            screen.problem(f"{one.where}: {one.text}. {one.fix[:1].upper()}{one.fix[1:]}.")
    if bad := sum(not one.ok and one.severe for one in found):
        raise Stopped(f"{bad} thing(s) keep a channel from working")
