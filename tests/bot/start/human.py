"""`python -m tests.bot.start.human`: how long `moondev init` takes a person, from nothing to both test messages.

The real program behind a pty, local chat servers, and a person at a stated pace, who reads whatever is new on the
screen, types each letter, and needs their time at the phone. No line is skipped, and none is read twice.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from pathlib import Path

from tests.bot.servers.discord_objects import CHANNEL
from tests.bot.servers.discord_server import TOKEN as DISCORD_TOKEN
from tests.bot.servers.discord_server import DiscordServer
from tests.bot.servers.telegram_server import BOT_NAME, TOKEN, TelegramServer
from tests.bot.start.terminal import Terminal

ANNA, GROUP = 501, -1007
LETTER_S = 60 / (40 * 5)
"""40 words a minute, five letters each."""
WORD_S = 60 / 200
"""Of reading, 200 words a minute."""
PASTE_S = 5.0
"""To copy something from another window and paste it."""
SCAN_S = 10.0
"""To take up the phone, scan the code, and press Start."""
PRESS_S = 3.0
"""To find a message on the phone and press its button."""
GROUP_S = 25.0
"""To add the bot to a group, and type /here there."""
INVITE_S = 20.0
"""To open Discord's link, choose the server and agree."""
SLASH_S = 12.0
"""To choose a slash command and paste a code into it."""


class Person:
    """Reads and types at that pace; where the time went is in `spent`."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.spent: dict[str, float] = {}
        self._seen: set[str] = set()
        """Lines that were read, without their figures: what counts down is not read anew."""

    async def takes(self, what: str, seconds: float) -> None:
        self.spent[what] = self.spent.get(what, 0.0) + seconds
        await asyncio.sleep(seconds)

    async def reads(self, text: str) -> str:
        """Wait until it is shown, and read all that is new."""
        seen = await self.terminal.until(text)
        shown = re.sub(r"[-\\|/] (?=Waiting)", "\n", self.terminal.shown)  # a wheel that turns
        lines = [re.sub(r"[0-9]+", "", line).strip() for line in shown.splitlines()]
        new = [line for line in dict.fromkeys(lines) if line not in self._seen]
        self._seen.update(new)
        words = sum(len(re.findall(r"[A-Za-z]{2,}", line)) for line in new)
        await self.takes("reading", WORD_S * words)
        return seen

    async def answers(self, question: str, line: str = "") -> None:
        await self.reads(question)
        await self.takes("typing", LETTER_S * (len(line) + 1))
        self.terminal.type(line)

    async def pastes(self, question: str, line: str) -> None:
        await self.reads(question)
        await self.takes("copying", PASTE_S)
        self.terminal.type(line)

    async def at_the_phone(self, seconds: float) -> None:
        await self.takes("phone", seconds)


async def telegram(person: Person, server: TelegramServer) -> None:
    await person.answers("Connect Telegram?", "y")
    await person.pastes("Token (not shown): ", TOKEN)
    await person.reads(f"the bot is @{BOT_NAME}")
    await person.reads("Waiting for the phone")
    code = re.findall(r"\?start=([A-Z0-9]{10})", person.terminal.shown)[-1]
    await person.at_the_phone(SCAN_S)
    server.say(ANNA, f"/start {code}")
    asked = await server.text("becomes anna")
    await person.at_the_phone(PRESS_S)
    server.press(ANNA, asked, "Yes, I am anna")
    await person.answers("Is user501 really anna?", "y")
    await person.answers("Write this?", "y")
    await person.reads("Waiting for /here")
    await person.at_the_phone(GROUP_S)
    server.say(ANNA, f"/here@{BOT_NAME}", chat=GROUP)
    await person.answers("Alerts to desk", "y")
    await person.answers("Write this?", "y")
    test = await server.text("Test message", chat=GROUP)
    await person.at_the_phone(PRESS_S)
    server.press(ANNA, test, "It has arrived")
    await person.reads("the test message has arrived")


async def discord(person: Person, server: DiscordServer) -> None:
    await person.answers("Connect Discord?", "y")
    await person.pastes("Token (not shown): ", DISCORD_TOKEN)
    await person.reads("Waiting for the server")
    await person.at_the_phone(INVITE_S)
    await server.invite()
    await person.reads("the server is guild")
    code = re.findall(r"code:([A-Z0-9]{10})", await person.reads("Waiting for the code"))[-1]
    await person.at_the_phone(SLASH_S)
    await server.slash(ANNA, "link", code=code)
    asked = await server.text("becomes anna")
    await person.at_the_phone(PRESS_S)
    await server.click(ANNA, asked, "Yes, I am anna")
    await person.answers("Is @user501 really anna?", "y")
    await person.answers("Write this?", "y")
    await person.reads("Waiting for /here")
    await person.at_the_phone(SLASH_S)
    server.app_permissions = "8"
    await server.slash(ANNA, "here", where=CHANNEL)
    await person.answers("Alerts to #", "y")
    await person.answers("Write this?", "y")
    test = await server.text("Test message")
    await person.at_the_phone(PRESS_S)
    await server.click(ANNA, test, "It has arrived")
    await person.reads("the test message has arrived")


async def main() -> None:
    chat, guild = TelegramServer(), DiscordServer()
    guild.invited = False
    await chat.start()
    await guild.start()
    with tempfile.TemporaryDirectory(prefix="moondev-init-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        (data / "settings.yaml").write_text(
            f"telegram: {{base_url: {chat.base_url}, base_file_url: {chat.file_url}}}\n"
            f"discord: {{api_url: {guild.api_url}, gateway_url: {guild.gateway_url}}}\n"
        )
        began_s = time.monotonic()
        async with Terminal("init", "--data", str(data)) as terminal:
            person = Person(terminal)
            await person.answers("Short id", "anna")
            await person.answers("Name [Anna]")
            await person.answers("And another person?", "n")
            await person.answers("Write this?", "y")
            await person.answers("Give anna an authenticator", "n")
            await telegram(person, chat)
            telegram_s = time.monotonic() - began_s
            await discord(person, guild)
            both_s = time.monotonic() - began_s
            for question in ("Alerts by e-mail too?", "Critical alerts as text messages too?"):
                await person.answers(question, "n")
            await person.reads("./moondev run")
            assert await terminal.ended() == 0
        whole_s = time.monotonic() - began_s
    spent = ", ".join(f"{what} {seconds:.0f} s" for what, seconds in person.spent.items())
    rest_s = whole_s - sum(person.spent.values())
    print(f"Telegram after {telegram_s:.0f} s, Discord after {both_s:.0f} s, the end after {whole_s:.0f} s")
    print(f"{spent}, waiting for the program {rest_s:.0f} s", flush=True)
    await chat.stop()
    await guild.stop()


if __name__ == "__main__":
    asyncio.run(main())
