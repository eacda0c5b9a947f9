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
SMS_URL = "https://api.twilio.com"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class TelegramConfig(Struct, frozen=True, kw_only=True):
    """The Telegram bot. Empty `allowed_chats` means nobody but known persons in their private chats.

    A chat may be named whole (-100...) or by topic ("-100...:55"; 1 is General): then only those topics are heard.
    `alert_chats` get alerts and request cards. `poll_timeout_s` is how long the server may hold a poll.
    """

    enabled: bool = False
    token_secret: str = "telegram_token"  # noqa: S105 - the name of a secret, not a secret
    base_url: str = TELEGRAM_URL
    base_file_url: str = TELEGRAM_FILE_URL
    allow_remote_base_url: bool = False
    allowed_chats: tuple[int | str, ...] = ()
    private_chats: bool = True
    alert_chats: tuple[int | str, ...] = ()
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

    Of fills there is one message an order, sent after `fill_wait_s` and edited every `fill_interval_s` at most; four
    times that is how often a round-up of many orders comes. What is below `min_severity` goes into
    the digest. Alerts of one kind at one place are told together after `group_wait_s`; the message is brought up to
    date every `update_s`, a new one is sent when the last is older than `renew_s`, and again every `repeat_s` while it
    stands. What nothing ends is over after `settle_s` without more of it.
    """

    min_severity: Severity = Severity.WARNING
    fills: bool = True
    fill_wait_s: float = 2.0
    fill_interval_s: float = 15.0
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


class EmailConfig(Struct, frozen=True, kw_only=True):
    """The mail server. `tls` is starttls, tls, or none (on loopback only); no user = nobody logs in."""

    enabled: bool = False
    server: str = ""
    port: int = 587
    tls: str = "starttls"
    user: str = ""
    password_secret: str = "email_password"  # noqa: S105 - the name of a secret, not a secret
    sender: str = ""


class SmsConfig(Struct, frozen=True, kw_only=True):
    """Text messages over a REST interface of Twilio's shape: `account` logs in with the secret token."""

    enabled: bool = False
    api_url: str = SMS_URL
    allow_remote_api_url: bool = False
    account: str = ""
    token_secret: str = "sms_token"  # noqa: S105 - the name of a secret, not a secret
    sender: str = ""


class HookConfig(Struct, frozen=True, kw_only=True):
    """A webhook: its address, or the secret that is its address, and the secret that signs ("" = unsigned)."""

    name: str
    url: str = ""
    url_secret: str = ""
    secret: str = ""


class AppriseConfig(Struct, frozen=True, kw_only=True):
    """One more way by apprise; its address holds passwords, so it is a secret."""

    name: str
    url_secret: str


class ContactConfig(Struct, frozen=True, kw_only=True):
    """Where a person is reached besides the chats ("" = not there)."""

    person: str
    email: str = ""
    sms: str = ""


class HeartbeatConfig(Struct, frozen=True, kw_only=True):
    """A URL that is asked for every `every_s` seconds while the service lives ("" and "" = none)."""

    url: str = ""
    url_secret: str = ""
    every_s: float = 60.0


class BotConfig(Struct, frozen=True, kw_only=True):
    """Everything chat-ops is configured by."""

    telegram: TelegramConfig = TelegramConfig()
    discord: DiscordConfig = DiscordConfig()
    alerts: AlertConfig = AlertConfig()
    email: EmailConfig = EmailConfig()
    sms: SmsConfig = SmsConfig()
    hooks: tuple[HookConfig, ...] = ()
    apprise: tuple[AppriseConfig, ...] = ()
    contacts: tuple[ContactConfig, ...] = ()
    heartbeat: HeartbeatConfig = HeartbeatConfig()


def check_url(
    key: str, url: str, default: str, *, allow_remote: bool, allowed_by: str = "allow_remote_base_url"
) -> str:
    """The URL, when it is the default, on loopback, or allowed: whoever answers there is given the token.

    Raises `ConfigError` naming the key.
    """
    host = urlsplit(url).hostname or ""
    if url == default or host in LOOPBACK or allow_remote:
        return url
    raise ConfigError(
        f"{key} is {url!r}: the bot's token would be sent to {host or 'no host'}. "
        f"Take it out, use a loopback address, or set {allowed_by}: true next to it"
    )


def check_hook_url(key: str, url: str) -> str:
    """The URL of a webhook, when nobody can read along: https, or http on loopback; and no password in it.

    Raises `ConfigError` naming the key, never the URL: it may be a secret itself.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{key} holds a user or password; sign with a secret instead")
    if host and (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)):
        return url
    raise ConfigError(f"{key} is no https:// address (http:// is for loopback only)")
