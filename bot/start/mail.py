"""The steps for e-mail and text messages: where alerts go when no chat answers. A number in the test proves arrival."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec import structs

from bot.carrier import Carrier, ChannelRefused, NotSent, OutcomeUnknown, RefusedForGood, RetryAfter
from bot.channels import dialects
from bot.channels.email import EmailCarrier
from bot.channels.sms import SmsCarrier
from bot.config import SMS_URL, EmailConfig, SmsConfig, check_url
from bot.message import Message, Text
from bot.start.account import person_of
from bot.start.background import Background
from bot.start.save import Path, save
from bot.start.screen import Screen
from bot.start.tools import Stopped, Tools, bot_of
from bot.store import Letter

EMAIL_ENVIRONMENT = "MOONDEV_EMAIL_PASSWORD"
SMS_ENVIRONMENT = "MOONDEV_SMS_TOKEN"
MAIL = re.compile(r"[^@\s<>]{1,64}@[^@\s<>]{1,190}")
HOST = re.compile(r"[A-Za-z0-9.:_-]{1,200}")
PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
SID = re.compile(r"AC[0-9a-fA-F]{32}")
WHY_MAIL = "Alerts and reports by mail, with charts in them. Needed: a mailbox that may send, by SMTP."
WHY_SMS = "Critical alerts as text messages, until somebody acts. Needed: an account at Twilio, or a server like it."
REFUSED = (ChannelRefused, RefusedForGood, NotSent, OutcomeUnknown, RetryAfter)
WORDS_OF_TLS = "starttls (port 587), tls (port 465) or none (a server on this machine only)"


def email_step(screen: Screen, tools: Tools, *, person: str = "", address: str = "", given: Mapping[str, Any]) -> None:
    """Set e-mail up. `given` are fields of the section that need not be asked for, `address` is the person's."""
    screen.step("E-mail", WHY_MAIL)
    who = person_of(screen, tools, person, "")
    config = bot_of(tools).email
    while True:
        config = _email_asked(screen, config, given)
        password = ""
        if config.user:
            password = _secret(screen, tools, config.password_secret, EMAIL_ENVIRONMENT, "Password of the mailbox")
        to = address or screen.ask(f"{who}'s address", option="--address", check=_mail_problem)
        if problem := _mail_problem(to):
            raise Stopped(f"--address {to!r}: {problem}")
        problem = _arrives(screen, partial(EmailCarrier, config, password), f"email:{to}")
        if not problem:
            break
        screen.problem(problem)
        if not screen.confirm("Look at the answers again?", default=screen.asks):
            raise Stopped("no mail was sent: nothing is written")
    if password:
        tools.secrets.keep(config.password_secret, password)
    _save(screen, tools, "email", config, EmailConfig(), who, {"email": to})


def sms_step(screen: Screen, tools: Tools, *, person: str = "", number: str = "", given: Mapping[str, Any]) -> None:
    """Set text messages up. `given` are fields of the section that need not be asked for, `number` is the person's."""
    screen.step("Text messages", WHY_SMS)
    who = person_of(screen, tools, person, "")
    config = bot_of(tools).sms
    check_url("sms.api_url", config.api_url, SMS_URL, allow_remote=config.allow_remote_api_url)
    while True:
        account = given.get("account") or screen.ask(
            "Account SID", option="--account", default=config.account, check=_matches(SID, "a SID is AC and 32 digits")
        )
        token = _secret(screen, tools, config.token_secret, SMS_ENVIRONMENT, "Auth token")
        sender = given.get("sender") or screen.ask(
            "Number that messages come from", option="--sender", default=config.sender, check=_phone_problem
        )
        to = number or screen.ask(f"{who}'s number", option="--number", check=_phone_problem)
        if problem := _phone_problem(to) or _phone_problem(sender):
            raise Stopped(problem)
        config = structs.replace(config, enabled=True, account=account, sender=sender)
        problem = _arrives(screen, partial(SmsCarrier.open, config, token), f"sms:{to}")
        if not problem:
            break
        screen.problem(problem)
        if not screen.confirm("Look at the answers again?", default=screen.asks):
            raise Stopped("no message was sent: nothing is written")
    tools.secrets.keep(config.token_secret, token)
    _save(screen, tools, "sms", config, SmsConfig(), who, {"sms": to})


def _email_asked(screen: Screen, config: EmailConfig, given: Mapping[str, Any]) -> EmailConfig:
    def asked(field: str, question: str, default: str, check: Callable[[str], str]) -> str:
        if (value := given.get(field)) is not None:
            if problem := check(str(value)):
                raise Stopped(f"--{field} {value!r}: {problem}")
            return str(value)
        return screen.ask(question, option=f"--{field}", default=default, check=check)

    server = asked("server", "Mail server", config.server, _matches(HOST, "a name such as smtp.example.com"))
    tls = asked("tls", f"Encryption: {WORDS_OF_TLS}", config.tls, _tls_problem)
    usual = {"tls": 465, "starttls": 587}.get(tls, 25)
    port = asked("port", "Port", str(usual if config.port in {465, 587, 25} else config.port), _port_problem)
    sender = asked("sender", "Address that mails come from", config.sender, _mail_problem)
    user = given.get("user")
    if user is None:
        user = config.user or sender
        if screen.asks and not screen.confirm(f"Log in as {user}?", default=True):
            user = screen.ask("User name (none = no login)", option="--user", default="none")
    user = "" if user == "none" else str(user)
    return structs.replace(config, enabled=True, server=server, tls=tls, port=int(port), sender=sender, user=user)


def _secret(screen: Screen, tools: Tools, name: str, environment: str, question: str) -> str:
    if given := os.environ.get(environment, ""):
        return given
    if tools.secrets.has(name) and screen.confirm(f"{question}: keep the one that is there?", default=True):
        return tools.secrets.get(name)
    return screen.secret(question, option=environment, check=lambda text: "" if len(text) >= 8 else "that is too short")


def _arrives(screen: Screen, carrier: Callable[[], Carrier], recipient: str) -> str:
    """Send a test and ask for the number in it; what went wrong, "" when it has arrived or nobody is asked."""
    number = f"{secrets.randbelow(10_000):04d}"
    channel, _, where = recipient.partition(":")
    said = f"Test of ./moondev init. Your number is {number}: type it at the terminal."
    message = Message(title="Test message", blocks=(Text(said),), stamp="ref init")
    parcel = {"email": dialects.email, "sms": dialects.sms}[channel](message)[0]
    letter = Letter(event=f"init:{number}", recipient=recipient, parcel=parcel, created_ns=time.time_ns())

    async def send() -> None:
        opened: Any = carrier()
        try:
            await opened.deliver(letter, "")
        finally:
            await opened.aclose()

    try:
        with screen.waiting(f"Sending to {where}"), Background() as background:
            background.run(send())
    except REFUSED as error:
        return f"{where}: {_words(error)}"
    if not screen.asks:
        screen.done(f"a test was sent to {where}; nobody was asked whether it arrived")
        return ""
    screen.say(
        f"Sent to {where}. It may take a minute{'; look for it among the spam too' if channel == 'email' else ''}."
    )
    typed = screen.ask("The number in it (no = it has not arrived)", option="--yes")
    if typed == number:
        screen.done(f"the test has arrived at {where}")
        return ""
    return f"{typed} is not the number that was sent: is {where} the right address?"


def _words(error: Exception) -> str:
    match error:
        case ChannelRefused():
            return f"the account or the sender is refused ({error}): are user, password and sender right?"
        case NotSent():
            return f"the server cannot be reached ({error}): are its name, port and encryption right?"
        case RetryAfter():
            return f"the server asks to wait {error.seconds:.0f} s"
        case _:
            return f"the server says no, or nothing ({error})"


def _save(
    screen: Screen,
    tools: Tools,
    section: str,
    config: EmailConfig | SmsConfig,
    usual: EmailConfig | SmsConfig,
    who: str,
    contact: dict[str, str],
) -> None:
    """Write what differs from the usual, and where the person is reached."""
    said, defaults = structs.asdict(config), structs.asdict(usual)
    changes: dict[Path, Any] = {(section, key): value for key, value in said.items() if value != defaults[key]}
    own = tools.file.own().get("contacts")
    if isinstance(own, list) and own:
        if any(one.get("person") == who for one in own if isinstance(one, dict)):
            changes |= {("contacts", who, key): value for key, value in contact.items()}
        else:
            changes[("contacts", who)] = {"person": who, **contact}
    else:
        changes[("contacts",)] = [{"person": who, **contact}]
    save(screen, tools, changes)


def _matches(pattern: re.Pattern[str], words: str) -> Callable[[str], str]:
    return lambda text: "" if pattern.fullmatch(text) else words


def _mail_problem(text: str) -> str:
    return "" if MAIL.fullmatch(text) else "an address is such as anna@example.com"


def _phone_problem(text: str) -> str:
    return "" if PHONE.fullmatch(text) else f"{text!r}: a number begins with + and its country, such as +4915112345678"


def _tls_problem(text: str) -> str:
    return "" if text in {"starttls", "tls", "none"} else WORDS_OF_TLS


def _port_problem(text: str) -> str:
    return "" if text.isascii() and text.isdecimal() and 0 < int(text) < 65536 else "a port is a number such as 587"
