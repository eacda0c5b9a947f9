"""`init email` and `init sms`: a number in a real mail and a real message proves that they arrive."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from engine.config import load_config
from tests.bot.servers.sms import ACCOUNT, SmsFault, SmsServer
from tests.bot.servers.sms import TOKEN as SMS_TOKEN
from tests.bot.servers.smtp import MailServer
from tests.bot.start.terminal import Terminal, files_of

NUMBER = re.compile(r"number is ([0-9]{4})")


def folder(tmp_path: Path, settings: str = "") -> Path:
    data = tmp_path / "data"
    data.mkdir()
    persons = "persons: [{id: anna, role: admin}, {id: bob, role: risk}]\n"
    (data / "settings.yaml").write_text(f"{settings}{persons}")
    return data


async def mailbox(t: Terminal, port: int) -> None:
    await t.answer("Encryption", "none")
    await t.answer("Port", str(port))
    await t.answer("Address that mails come from", "desk@example.com")
    await t.answer("Log in as desk@example.com?", "n")
    await t.answer("User name", "none")


async def test_a_mailbox_is_set_up_by_the_number_in_its_test_mail(tmp_path: Path) -> None:
    data, mail = folder(tmp_path), MailServer()
    await mail.start()
    try:
        async with Terminal("init", "email", "--person", "anna", "--data", str(data)) as t:
            await t.answer("Mail server", "not a host!")
            await t.until("such as smtp.example.com")
            t.type("127.0.0.1")
            await mailbox(t, mail.port)
            mail.answers["RCPT"] = ["550 no such mailbox"]
            await t.answer("anna's address", "ana@example.com")
            await t.until("no such mailbox")
            await t.answer("Look at the answers again?", "y")
            await t.answer("Mail server")
            await mailbox(t, mail.port)
            await t.answer("anna's address", "anna@example.com")
            await t.until("The number in it")
            t.type(NUMBER.findall(mail.mails[0].as_string())[0])
            await t.answer("Write this?", "y")
            assert await t.ended() == 0
    finally:
        await mail.stop()
    config = load_config(data / "settings.yaml")
    assert (config.email.enabled, config.email.server, config.email.user) == (True, "127.0.0.1", "")
    assert [(one.person, one.email) for one in config.contacts] == [("anna", "anna@example.com")]


async def test_text_messages_are_set_up_beside_what_is_there(tmp_path: Path) -> None:
    sms = SmsServer()
    await sms.start()
    data = folder(
        tmp_path, f'sms: {{api_url: "{sms.url}"}}\ncontacts:\n  - {{person: anna, email: anna@example.com}}  # work\n'
    )
    try:
        async with Terminal("init", "sms", "--person", "anna", "--data", str(data)) as t:
            await t.answer("Account SID", ACCOUNT)
            await t.answer("Auth token (not shown): ", SMS_TOKEN)
            await t.answer("Number that messages come from", "0151")
            await t.until("begins with +")
            t.type("+15005550006")
            sms.faults = [SmsFault(status=401, code=20003)]
            await t.answer("anna's number", "+4915112345678")
            await t.until("the account or the sender is refused")
            await t.answer("Look at the answers again?", "y")
            await t.answer("Account SID", ACCOUNT)
            await t.answer("Auth token (not shown): ", SMS_TOKEN)
            await t.answer("Number that messages come from", "+15005550006")
            await t.answer("anna's number", "+4915112345678")
            await t.until("The number in it")
            t.type(NUMBER.findall(sms.messages[0]["body"])[0])
            await t.answer("Write this?", "y")
            assert await t.ended() == 0
    finally:
        await sms.stop()
    assert load_config(data / "settings.yaml").sms.account == ACCOUNT
    contact = {"person": "anna", "email": "anna@example.com", "sms": "+4915112345678"}
    text = (data / "settings.yaml").read_text()
    assert yaml.safe_load(text)["contacts"] == [contact]
    assert "# work" in text
    assert f"sms_token = {SMS_TOKEN}" in (data / "secrets").read_text()
    assert SMS_TOKEN not in t.shown + files_of(data)


async def test_scripts_set_a_mailbox_up_that_needs_no_login(tmp_path: Path) -> None:
    data, mail = folder(tmp_path), MailServer()
    await mail.start()
    words = ("--server", "127.0.0.1", "--port", str(mail.port), "--tls", "none", "--sender", "desk@example.com")
    who = ("--user", "none", "--person", "anna", "--address", "anna@example.com", "--data", str(data), "--yes")
    try:
        async with Terminal("init", "email", *words, *who) as t:
            await t.until("nobody was asked whether it arrived")
            assert await t.ended() == 0
    finally:
        await mail.stop()
    assert len(mail.mails) == 1
