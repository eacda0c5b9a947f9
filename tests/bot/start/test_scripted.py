"""`moondev init --yes`: nobody is asked, and what cannot be known is an error that names the option."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

import main
from bot.start.background import Background
from engine.config import load_config
from tests.bot.servers.telegram_server import TOKEN, Fault, TelegramServer
from tests.bot.start.test_guided import ANNA, WRONG, settings_for
from tests.bot.start.test_guided import TELEGRAM_GROUP as GROUP


@pytest.fixture
def server() -> Iterator[TelegramServer]:
    """A Telegram server on another thread: the program under test blocks this one."""
    server = TelegramServer()
    with Background() as background:
        background.run(server.start())
        yield server
        background.run(server.stop())


@pytest.fixture
def data(tmp_path: Path, server: TelegramServer) -> Path:
    settings_for(server, tmp_path / "data" / "settings.yaml")
    return tmp_path / "data"


def init(data: Path, *words: str, token: str = "", code: int = 0) -> str:
    result = CliRunner(env={"MOONDEV_TELEGRAM_TOKEN": token}).invoke(
        main.app, ["init", *words, "--data", str(data), "--yes"]
    )
    assert result.exit_code == code, (result.output, result.exception)
    return " ".join(result.output.split())


def file_of(data: Path) -> str:
    return (data / "settings.yaml").read_text()


def test_options_alone_set_telegram_up(data: Path, server: TelegramServer) -> None:
    init(data, "people", "--person", "anna", "--no-code")
    init(data, "people", "--person", "bob", "--role", "risk", "--no-code")
    said = init(data, "telegram", "--person", "anna", "--account", str(ANNA), "--chat", str(GROUP), token=TOKEN)
    assert "nobody was asked whether it arrived" in said
    assert [one.chat for one in server.sent] == [GROUP]
    config = load_config(data / "settings.yaml")
    assert [(one.id, one.role, one.telegram_user_id) for one in config.persons] == [
        ("anna", "admin", ANNA),
        ("bob", "risk", 0),
    ]
    assert config.approvals.requester_counts
    assert config.telegram.enabled
    before = file_of(data)
    again = init(data, "telegram", "--chat", str(GROUP), "--no-test")
    assert "says so already" in again
    assert file_of(data) == before
    private = init(data, "telegram", "--person", "bob", "--account", "502", "--chat", "private", "--no-test")
    assert "bob is Telegram account 502" in private
    assert load_config(data / "settings.yaml").telegram.alert_chats == [GROUP, 502]


def test_what_cannot_be_known_is_named_and_nothing_is_written(data: Path) -> None:
    before = file_of(data)
    assert "./moondev init people first" in init(data, "telegram", token=TOKEN, code=1)
    assert "there is no role 'king'" in init(data, "people", "--person", "anna", "--role", "king", code=1)
    assert "say it with --person" in init(data, "people", "--person", "An na", code=1)
    assert file_of(data) == before
    init(data, "people", "--person", "anna", "--no-code")
    assert "give MOONDEV_TELEGRAM_TOKEN in the environment" in init(data, "telegram", code=1)
    assert "does not know this token" in init(data, "telegram", token=WRONG, code=1)
    assert "no bot token" in init(data, "telegram", token="abc", code=1)
    assert not (data / "secrets").exists()
    assert "there is no person 'eve'" in init(data, "telegram", "--person", "eve", token=TOKEN, code=1)
    named = ("telegram", "--account", str(ANNA))
    assert "--chat 'home' is no chat" in init(data, *named, "--chat", "home", token=TOKEN, code=1)
    assert f"telegram_user_id: {ANNA}" in file_of(data)  # what was settled before the mistake


def test_an_account_speaks_for_one_person(data: Path) -> None:
    init(data, "people", "--person", "anna", "--no-code")
    init(data, "people", "--person", "bob", "--role", "risk", "--no-code")
    init(data, "telegram", "--person", "anna", "--account", "7", "--chat", "private", "--no-test", token=TOKEN)
    said = init(data, "telegram", "--person", "bob", "--account", "7", "--chat", "private", code=1)
    assert "7 already speaks for anna" in said
    assert str(data / "settings.yaml") in said


def test_a_chat_that_the_bot_may_not_write_in_is_said_with_what_to_look_at(data: Path, server: TelegramServer) -> None:
    init(data, "people", "--person", "anna", "--no-code")
    server.faults["sendMessage"] = [Fault(status=403, description="Forbidden: bot was kicked from the supergroup chat")]
    said = init(data, "telegram", "--account", "7", "--chat", str(GROUP), token=TOKEN, code=1)
    assert "bot was kicked" in said
    assert "Is it still a member" in said


def test_a_bot_that_serves_another_program_is_left_to_it(data: Path, server: TelegramServer) -> None:
    init(data, "people", "--person", "anna", "--no-code")
    server.webhook = "https://hooks.example.org/bot?secret=abc"
    said = init(data, "telegram", "--account", "7", token=TOKEN, code=1)
    assert "sent to https://hooks.example.org/bot:" in said
    assert server.webhook


@contextmanager
def service_on(data: Path) -> Iterator[None]:
    """The lock that a running service holds."""
    (data / "journal").mkdir()
    lock = os.open(data / "journal" / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(lock)


def test_beside_a_running_service_nothing_listens_to_its_bot(data: Path, server: TelegramServer) -> None:
    init(data, "people", "--person", "anna", "--no-code")
    with service_on(data):
        said = init(data, "telegram", "--account", "7", token=TOKEN, code=1)
    assert "a service runs on" in said
    assert "/link telegram" in said
    assert server.calls == {}


def test_persons_of_a_folder_that_has_traded_wait_for_its_people(data: Path) -> None:
    (data / "journal").mkdir()
    said = init(data, "people", "--person", "anna", "--no-code")
    assert f"./moondev apply-settings {data / 'settings.yaml'}" in said


def test_a_file_that_is_wrong_already_is_not_touched(data: Path) -> None:
    path = data / "settings.yaml"
    path.write_text(path.read_text() + "gatway: {port: 1}\n")
    before = file_of(data)
    assert "settings.yaml:6:1: gatway" in init(data, "people", "--person", "anna", code=1)
    assert file_of(data) == before


def test_a_token_goes_into_the_vault_where_there_is_one(data: Path, server: TelegramServer) -> None:
    words = data.parent / "passphrase"
    text = f"vault:\n  passphrase: {{from: file, file: {words}}}\n"
    (data / "settings.yaml").write_text(file_of(data) + text)
    made = ["vault", "init", "--data", str(data), "--generate-to", str(words), "--memory-mib", "64"]
    assert CliRunner().invoke(main.app, made).exit_code == 0
    init(data, "people", "--person", "anna", "--no-code")
    said = init(data, "telegram", "--person", "anna", "--account", str(ANNA), "--chat", str(GROUP), token=TOKEN)
    assert f"Its token is kept in the vault {data / 'vault'}, nowhere else." in said
    assert not (data / "secrets").exists()
    assert main.open_secrets(data).get("telegram_token") == TOKEN
    assert TOKEN not in "".join(p.read_text(errors="replace") for p in data.rglob("*") if p.is_file())
