"""Settings of the chat rooms' front doors; `main.py` fills them from the configuration file.

Tokens are not in here: they come from the `Secrets` port under the names given.
"""

from __future__ import annotations

from typing import Literal
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
    """What is told unasked, to whom and how often.

    Fills are grouped: first after `fill_wait_s`, then every `fill_interval_s`. What is below `min_severity` goes into
    the digest. Alerts of one kind at one place are told together after `group_wait_s`; the message is brought up to
    date every `update_s`, a new one is sent when the last is older than `renew_s`, and again every `repeat_s` while it
    stands. What nothing ends is over after `settle_s` without more of it.
    """

    min_severity: Severity = Severity.WARNING
    fills: bool = True
    fill_wait_s: float = 5.0
    fill_interval_s: float = 60.0
    repeat_s: float = 14_400.0
    group_wait_s: float = 5.0
    update_s: float = 60.0
    renew_s: float = 300.0
    settle_s: float = 900.0
    reopen_s: float = 3600.0
    """What was acknowledged and still stands after this is told again."""
    again_s: float = 120.0
    secondary_s: float = 300.0
    everyone_s: float = 600.0
    """When those on call, those second in line and everybody are called for what nobody acknowledges."""
    escalate_s: float = 600.0
    """Between later calls."""
    safe_action: Literal["pause", "halt", "none"] = "pause"
    safe_action_s: float = 900.0
    """What is done, and when, if nobody acknowledges a critical alert."""
    on_call: tuple[str, ...] = ()
    """Persons; empty = everybody who may trade."""
    secondary: tuple[str, ...] = ()
    """Persons; empty = everybody who answers for risk."""
    digest_hour_utc: int = 8
    """When the small news of a day are told; -1 = never."""


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
