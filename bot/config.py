"""Settings of the chat rooms' front doors; `main.py` fills them from the configuration file.

Tokens are not in here: they come from the `Secrets` port under the names given.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec import Struct

from domain.errors import ConfigError
from domain.facts import Severity

TELEGRAM_URL = "https://api.telegram.org/bot"
TELEGRAM_FILE_URL = "https://api.telegram.org/file/bot"
DISCORD_API_URL = "https://discord.com/api/v10"
DISCORD_GATEWAY_URL = "wss://gateway.discord.gg/"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class TelegramConfig(Struct, frozen=True, kw_only=True):
    """The Telegram bot. Empty `allowed_chats` means nobody but known persons in their private chats.

    `alert_chats` get alerts and request cards. `poll_timeout_s` is how long the server may hold a poll.
    """

    enabled: bool = False
    token_secret: str = "telegram_token"  # noqa: S105 - the name of a secret, not a secret
    base_url: str = TELEGRAM_URL
    base_file_url: str = TELEGRAM_FILE_URL
    allow_remote_base_url: bool = False
    allowed_chats: tuple[int, ...] = ()
    private_chats: bool = True
    alert_chats: tuple[int, ...] = ()
    poll_timeout_s: int = 30


class DiscordConfig(Struct, frozen=True, kw_only=True):
    """The Discord bot, in one guild. Empty `allowed_channels` means every channel of the guild.

    `alert_channels` get alerts and request cards.
    """

    enabled: bool = False
    token_secret: str = "discord_token"  # noqa: S105 - the name of a secret, not a secret
    api_url: str = DISCORD_API_URL
    gateway_url: str = DISCORD_GATEWAY_URL
    allow_remote_base_url: bool = False
    guild_id: int = 0
    allowed_channels: tuple[int, ...] = ()
    alert_channels: tuple[int, ...] = ()


class AlertConfig(Struct, frozen=True, kw_only=True):
    """What is told unasked. Of fills there is one message an order, sent after `fill_wait_s`, edited as they come in.

    It is edited every `fill_interval_s` at most; four times that is how often a round-up of many orders comes.
    """

    min_severity: Severity = Severity.WARNING
    fills: bool = True
    fill_wait_s: float = 2.0
    fill_interval_s: float = 15.0
    repeat_s: float = 300.0
    """An alert of the same kind and severity is counted, not repeated, for this long; critical ones never."""


class BotConfig(Struct, frozen=True, kw_only=True):
    """Everything chat-ops is configured by."""

    telegram: TelegramConfig = TelegramConfig()
    discord: DiscordConfig = DiscordConfig()
    alerts: AlertConfig = AlertConfig()


def check_url(key: str, url: str, default: str, *, allow_remote: bool) -> str:
    """The URL, when it is the default, on loopback, or allowed: whoever answers there is given the token.

    Raises `ConfigError` naming the key.
    """
    host = urlsplit(url).hostname or ""
    if url == default or host in LOOPBACK or allow_remote:
        return url
    raise ConfigError(
        f"{key} is {url!r}: the bot's token would be sent to {host or 'no host'}. "
        "Take it out, use a loopback address, or set allow_remote_base_url: true next to it"
    )
