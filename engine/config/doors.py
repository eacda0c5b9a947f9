"""The sections of the doors that people come in by: chat, alerts, dashboard."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from engine.config.fields import (
    ChatPlace,
    HostName,
    MailAddress,
    Name,
    NetworkRange,
    PhoneNumber,
    Port,
    Positive,
    PositiveDurationNs,
    Text,
    UserId,
)
from engine.config.section import Section

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS


class TelegramSection(Section):
    """The Telegram door. Alerts and request cards go to `alert_chats`; known persons may always write privately."""

    enabled: bool = False
    token_secret: Name = "telegram_token"  # noqa: S105 - the name of the secret, not the secret
    base_url: Text = "https://api.telegram.org/bot"
    base_file_url: Text = "https://api.telegram.org/file/bot"
    allow_remote_base_url: bool = False
    """Another address than Telegram's or loopback is given the bot's token; say that this is wanted."""
    allowed_chats: list[ChatPlace] = []
    """Groups in which the bot answers, whole or one topic each: "-1001234567890:55"."""
    private_chats: bool = True
    alert_chats: list[ChatPlace] = []


class DiscordSection(Section):
    """The Discord door, in one server (guild). Alerts and request cards go to `alert_channels`."""

    enabled: bool = False
    token_secret: Name = "discord_token"  # noqa: S105 - the name of the secret, not the secret
    api_url: Text = "https://discord.com/api/v10"
    gateway_url: Text = "wss://gateway.discord.gg/"
    allow_remote_base_url: bool = False
    guild_id: UserId = 0
    allowed_channels: list[UserId] = []
    """Empty = every channel of the server."""
    alert_channels: list[UserId] = []


class AlertsSection(Section):
    """What the chat rooms are told unasked."""

    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    fills: bool = True
    fill_wait_ns: PositiveDurationNs = Field(default=2 * SECOND_NS, alias="fill_wait")
    """How long the first fill of an order waits for others to be told with it."""
    fill_interval_ns: PositiveDurationNs = Field(default=15 * SECOND_NS, alias="fill_interval")
    """How often at most the message about an order's fills is edited."""
    group_wait_ns: PositiveDurationNs = Field(default=5 * SECOND_NS, alias="group_wait")
    """Alerts of one kind at one place are told together after this; critical ones do not wait."""
    update_ns: PositiveDurationNs = Field(default=MINUTE_NS, alias="update")
    """How often their message is brought up to date."""
    renew_ns: PositiveDurationNs = Field(default=5 * MINUTE_NS, alias="renew")
    """What comes this long after the last message gets a new one instead of an edit of what nobody sees any more."""
    repeat_ns: PositiveDurationNs = Field(default=4 * HOUR_NS, alias="repeat")
    """What still stands is told again."""
    settle_ns: PositiveDurationNs = Field(default=15 * MINUTE_NS, alias="settle")
    """What nothing ends is over when nothing more of it has come for this long; critical ones need a person."""
    reopen_ns: PositiveDurationNs = Field(default=HOUR_NS, alias="reopen")
    """What was acknowledged and still stands is told again after this, and people are called again."""
    call_again_ns: PositiveDurationNs = Field(default=2 * MINUTE_NS, alias="call_again")
    call_secondary_ns: PositiveDurationNs = Field(default=5 * MINUTE_NS, alias="call_secondary")
    call_everyone_ns: PositiveDurationNs = Field(default=10 * MINUTE_NS, alias="call_everyone")
    call_repeat_ns: PositiveDurationNs = Field(default=10 * MINUTE_NS, alias="call_repeat")
    """When those on call, the second in line and everybody are called for a critical alert, and how often then."""
    safe_action: Literal["pause", "halt", "none"] = "pause"
    safe_after_ns: PositiveDurationNs = Field(default=15 * MINUTE_NS, alias="safe_after")
    """What is done if nobody has acknowledged a critical alert by then: pause every strategy, halt, or nothing."""
    on_call: list[Name] = []
    """Ids of persons; empty = every trader and above."""
    secondary: list[Name] = []
    """Ids of persons; empty = everybody of role risk and above."""
    digest_hour_utc: int = Field(default=8, ge=-1, le=23)
    """When small news are told, once a day; -1 = never."""


class EmailSection(Section):
    """The mail server that alerts and reports go through; who gets them is in `contacts`."""

    enabled: bool = False
    server: Text = ""
    port: Port = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    """`none` is for a server on this machine only."""
    user: Text = ""
    """Empty = the server wants no login."""
    password_secret: Name = "email_password"  # noqa: S105 - the name of the secret, not the secret
    sender: MailAddress = ""


class SmsSection(Section):
    """Text messages through Twilio, or through a server with the same interface; numbers are in `contacts`."""

    enabled: bool = False
    api_url: Text = "https://api.twilio.com"
    allow_remote_api_url: bool = False
    """Another address than Twilio's or loopback is given the token; say that this is wanted."""
    account: Text = ""
    """The account's SID."""
    token_secret: Name = "sms_token"  # noqa: S105 - the name of the secret, not the secret
    sender: PhoneNumber = ""


class HookSection(Section):
    """A webhook that gets every alert as signed JSON: `url`, or the name of a secret that is the URL."""

    name: Name
    url: Text = ""
    url_secret: Name | None = None
    secret: Name | None = None
    """Signs what is sent; without it the receiver cannot know who sent it."""


class AppriseSection(Section):
    """One more place that alerts go to, by apprise. Its URL holds passwords: it is a secret."""

    name: Name
    url_secret: Name


class ContactSection(Section):
    """Where a person is reached besides the chats."""

    person: Name
    email: MailAddress = ""
    sms: PhoneNumber = ""


class HeartbeatSection(Section):
    """A URL that is asked for regularly while the service lives: whoever watches it notices when it does not."""

    url: Text = ""
    url_secret: Name | None = None
    """When the address itself is secret."""
    every_ns: PositiveDurationNs = Field(default=MINUTE_NS, alias="every")


class TlsSection(Section):
    """Files of the gateway's certificate (the whole chain) and its key, which nobody else may read. Read at start."""

    certificate: Text
    key: Text


class GatewayLimitsSection(Section):
    """Requests per second of one caller, by class; for five seconds it may be as many at once. Halts have no limit."""

    read: Positive = Decimal(50)
    heavy: Positive = Decimal(4)
    write: Positive = Decimal(10)
    login: Positive = Decimal(1)
    socket: Positive = Decimal(10)
    open: Positive = Decimal(100)


class GatewaySection(Section):
    """The dashboard's and the API's address; port 0 = any free one.

    `process`: `own` = the gateway is a process of its own, so that no page and no client touches trading; `engine` = it
    runs in the engine's; `auto` = its own when live.
    """

    enabled: bool = True
    host: Text = "127.0.0.1"
    port: Port = 8420
    process: Literal["auto", "own", "engine"] = "auto"
    hosts: list[HostName] = []
    """Names, besides 127.0.0.1 and localhost, under which people open it; links lead to the first."""
    tls: TlsSection | None = None
    behind_proxy: list[NetworkRange] = []
    """Where the proxies are that take the TLS off; what they say of their clients is believed, and of nobody else."""
    database: Name | None = None
    """The secret with a PostgreSQL's address for links, sessions and tokens; not set: a file in the data folder."""
    session_ns: PositiveDurationNs = Field(default=12 * HOUR_NS, alias="session")
    """A browser logs in anew after this time."""
    idle_ns: PositiveDurationNs = Field(default=2 * HOUR_NS, alias="idle")
    """And after this time without use; an open page with the live feed is in use."""
    longest_token_ns: PositiveDurationNs = Field(default=366 * 24 * HOUR_NS, alias="longest_token")
    limits: GatewayLimitsSection = GatewayLimitsSection()
