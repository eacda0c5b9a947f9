"""The Discord bot's life: logs in, keeps the gateway connection, and never takes the service down."""

from __future__ import annotations

import asyncio

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.buttons import Signer, signer_for
from bot.config import DISCORD_API_URL, DISCORD_GATEWAY_URL, DiscordConfig, check_url
from bot.discord_client import Client
from bot.room import ControlRoom
from bot.supervise import Disabled, Health, keep_running, quiet_libraries
from domain.errors import ConfigError
from domain.ports import Secrets

BAD_TOKEN_CLOSE = 4004
CANCEL_AGAIN_S = 1.0
discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # nobody here wants to speak


async def _end(life: asyncio.Task[None]) -> None:
    """End the library's loop. Under Python 3.11 it can lose a cancellation, and would connect again for ever.

    Its `asyncio.wait_for` loses one that comes in the moment in which a connection fails.
    """
    while not life.done():
        life.cancel()
        await asyncio.wait([life], timeout=CANCEL_AGAIN_S)
    if not life.cancelled():
        life.exception()  # who waits for it hears of it; where nobody does any more, it is no news


class DiscordBot:
    """Runs for ever beside trading; `health` says how it is, `signer` makes the buttons of its cards."""

    def __init__(self, room: ControlRoom, config: DiscordConfig, secrets: Secrets) -> None:
        self.health = Health()
        self.signer = signer_for(secrets, config.token_secret, lambda: room.desk.installation)
        self._room = room
        self._desk = room.desk
        self._config = config
        self._secrets = secrets
        self._outbox = room.outbox
        self._token = ""

    async def run(self) -> None:
        """Run until cancelled; no error of Discord's leaves it."""
        quiet_libraries()
        await keep_running("discord", self._connect, self.health, secret=lambda: self._token)

    async def _connect(self) -> None:
        try:
            self._token = self._secrets.get(self._config.token_secret)
            self._point_at_servers()
        except ConfigError as error:
            raise Disabled(str(error)) from None
        if not self._config.guild_id:
            raise Disabled("discord.guild_id is missing: slash commands are registered in one guild")
        self.signer = Signer(self._token, lambda: self._desk.installation)
        client = Client(self._room, self._config, self.signer, self.health)
        try:
            async with client:
                life = asyncio.create_task(client.start(self._token), name="discord")
                try:
                    await asyncio.wait([life])
                finally:
                    await self._outbox.detach("discord")
                    await _end(life)
                await life
        except discord.LoginFailure:
            raise self._refused() from None
        except discord.ConnectionClosed as error:
            if error.code == BAD_TOKEN_CLOSE:
                raise self._refused() from None
            raise

    def _refused(self) -> Disabled:
        return Disabled(
            "Discord refuses the bot's token. Put the token from the developer portal under the secret "
            f"{self._config.token_secret!r}"
        )

    def _point_at_servers(self) -> None:
        """The library keeps its addresses in two class attributes."""
        remote = self._config.allow_remote_base_url
        api = check_url("discord.api_url", self._config.api_url, DISCORD_API_URL, allow_remote=remote)
        gateway = check_url("discord.gateway_url", self._config.gateway_url, DISCORD_GATEWAY_URL, allow_remote=remote)
        Route.BASE = api
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
