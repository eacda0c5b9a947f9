"""`init check` and `doctor` look at tokens, chats, servers and permissions, and say which of them does not work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import main
from bot.start.background import Background
from tests.bot.servers.discord_objects import CHANNEL, GUILD
from tests.bot.servers.discord_server import TOKEN as DISCORD_TOKEN
from tests.bot.servers.discord_server import DiscordServer, Fault
from tests.bot.servers.sms import ACCOUNT, SmsServer
from tests.bot.servers.sms import TOKEN as SMS_TOKEN
from tests.bot.servers.smtp import MailServer
from tests.bot.servers.telegram_server import TOKEN, TelegramServer
from tests.bot.start.test_scripted import service_on


class Servers:
    """Every server there is, on another thread."""

    def __init__(self) -> None:
        self.telegram, self.discord = TelegramServer(), DiscordServer()
        self.mail, self.sms = MailServer(), SmsServer()
        self.all = (self.telegram, self.discord, self.mail, self.sms)


@pytest.fixture
def servers() -> Iterator[Servers]:
    made = Servers()
    with Background() as background:
        for server in made.all:
            background.run(server.start())
        yield made
        for server in made.all:
            background.run(server.stop())


@pytest.fixture
def data(tmp_path: Path, servers: Servers) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "settings.yaml").write_text(f"""
data_feed: {{source: synthetic}}
gateway: {{enabled: false}}
persons:
  - {{id: anna, name: Anna, role: admin, telegram_user_id: 501}}
  - {{id: bob, name: Bob, role: risk, telegram_user_id: 502}}
telegram:
  enabled: true
  base_url: {servers.telegram.base_url}
  base_file_url: {servers.telegram.file_url}
  allowed_chats: [-1007]
  alert_chats: [-1007, "-1008:7"]
discord:
  enabled: true
  api_url: {servers.discord.api_url}
  gateway_url: {servers.discord.gateway_url}
  guild_id: {GUILD}
  alert_channels: [{CHANNEL}]
email: {{enabled: true, server: 127.0.0.1, port: {servers.mail.port}, tls: none, sender: desk@example.com}}
sms: {{enabled: true, api_url: "{servers.sms.url}", account: {ACCOUNT}, sender: "+15005550006"}}
contacts: [{{person: anna, email: anna@example.com, sms: "+4915112345678"}}]
""")
    write_secrets(folder)
    (folder / "settings-file").write_text(f"{folder / 'settings.yaml'}\n")
    return folder


def write_secrets(folder: Path, telegram: str = TOKEN, discord: str = DISCORD_TOKEN) -> None:
    path = folder / "secrets"
    path.write_text(f"telegram_token = {telegram}\ndiscord_token = {discord}\nsms_token = {SMS_TOKEN}\n")
    path.chmod(0o600)


def said(data: Path, *verb: str) -> tuple[str, int]:
    result = CliRunner().invoke(main.app, [*verb, "--data", str(data)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    text = " ".join(result.output.split())
    for secret in (TOKEN, DISCORD_TOKEN, SMS_TOKEN):
        assert secret not in text
    return text, result.exit_code


def test_every_channel_is_looked_at_beside_a_running_service_and_nothing_is_sent(data: Path, servers: Servers) -> None:
    with service_on(data):
        text, code = said(data, "init", "check")
    assert code == 0, text
    for part in (
        "ok Telegram: the token is that of @moondev_test_bot",
        "ok Telegram chat -1008:7: takes messages",
        "ok Telegram, bob alone: takes messages",
        f"ok Discord: commands in server {GUILD}",
        f"ok Discord channel {CHANNEL}: takes messages",
        "ok email to anna: would take messages",
        "ok sms to anna: would take messages",
    ):
        assert part in text
    assert [*servers.telegram.sent, *servers.discord.sent, *servers.mail.mails, *servers.sms.messages] == []
    assert "getUpdates" not in servers.telegram.calls
    assert servers.discord.connections == 0


def test_what_does_not_work_is_named_with_what_to_do(data: Path, servers: Servers) -> None:
    servers.telegram.unknown_chats = {-1008, 502}
    servers.telegram.webhook = "https://other.example.org/x?secret=1"
    servers.discord.faults = {
        f"/applications/100/guilds/{GUILD}": [Fault(403)],
        f"/channels/{CHANNEL}/typing": [Fault(403)],
    }
    servers.mail.answers["RCPT"] = ["550 no such mailbox"]
    servers.sms.account_status = "suspended"
    text, code = said(data, "init", "check")
    assert code == 1
    for part in (
        "Telegram chat -1008:7: the bot may not write there (Chat not found). Add the bot again",
        "Telegram, bob alone: the bot may not write there (Chat not found). Press Start",
        "go to https://other.example.org/x, not to this service",
        f"may not have commands in server {GUILD}",
        f"Discord channel {CHANNEL}: the bot may not write there",
        "email to anna: recipient: 550 no such mailbox",
        "sms to anna: the account is suspended",
        "6 thing(s) keep a channel from working",
    ):
        assert part in text
    report, code = said(data, "doctor")
    assert code == 1
    assert "FAIL channels Telegram: messages of the bot go to" in report
    assert "warn channels Telegram, bob alone" in report


def test_wrong_tokens_and_silent_servers_are_told_apart(data: Path, servers: Servers) -> None:
    write_secrets(data, telegram="123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", discord=f"{DISCORD_TOKEN}x")
    text, code = said(data, "doctor")
    assert code == 1
    assert "FAIL channels Telegram: Telegram does not know the token" in text
    assert "FAIL channels Discord: Discord does not know the token" in text
    write_secrets(data)
    settings = data / "settings.yaml"
    settings.write_text(settings.read_text().replace(servers.telegram.base_url, "http://127.0.0.1:9/bot"))
    text, _ = said(data, "doctor")
    assert "warn channels Telegram: cannot be reached" in text
    assert "ok Discord" in said(data, "init", "check")[0]


def test_without_channels_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    text, code = said(tmp_path / "fresh", "init", "check")
    assert code == 1
    assert "no channel is switched on" in text
