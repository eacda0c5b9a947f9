"""E-mail over SMTP. A repetition keeps its message id, so that mailboxes show it once; an update answers the first.

Connection lost or refused before the text is out   surely not sent: again
4xx                                                 not now: again
5xx                                                 never: mailbox unknown, sender refused, too large
silence after the text is out                       it may have arrived: again, with the same message id
"""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as MAIL_POLICY
from hashlib import sha256
from html import escape

import aiosmtplib
from aiosmtplib import SMTPException, SMTPResponseException

from bot.carrier import ChannelRefused, NotSent, OutcomeUnknown, RefusedForGood
from bot.config import EmailConfig
from bot.store import Letter
from bot.supervise import scrub
from domain.facts import Severity

TIMEOUT_S = 20.0
MOST_AT_ONCE = 2
SERVICE_GONE = 421
MOST_WORDS = 200


class EmailCarrier:
    """Delivers letters to `email:ADDRESS`, each over a connection of its own."""

    def __init__(self, config: EmailConfig, password: str, tls: ssl.SSLContext | None = None) -> None:
        """`tls` replaces the system's certificates. Without a user nobody logs in, and `password` is not used."""
        self._config = config
        self._password = password
        self._tls = tls
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)

    async def deliver(self, letter: Letter, replaces_id: str) -> str:
        """Send; see `bot.outbox.Carrier`. The id is the message id of the first mail of its thread."""
        mail = mail_of(letter, self._config.sender, replaces_id)
        async with self._slots:
            smtp = self._client()
            try:
                await self._open(smtp, address_of(letter.recipient))
                await self._give(smtp, mail)
            finally:
                smtp.close()
        return replaces_id or str(mail["Message-ID"])

    async def probe(self, recipient: str) -> bool:
        """Ask whether the server takes mail for a recipient now, without sending any. Raises as `deliver` does."""
        async with self._slots:
            smtp = self._client()
            try:
                await self._open(smtp, address_of(recipient))
            finally:
                smtp.close()
        return True

    async def aclose(self) -> None:
        """Nothing to give up: every mail has a connection of its own."""

    def _client(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._config.server,
            port=self._config.port,
            use_tls=self._config.tls == "tls",
            start_tls=self._config.tls == "starttls",
            tls_context=self._tls,
            local_hostname=self._config.sender.rpartition("@")[2],
            timeout=TIMEOUT_S,
        )

    async def _open(self, smtp: aiosmtplib.SMTP, address: str) -> None:
        """Connect, log in, and name sender and recipient; nothing is sent yet."""
        step = "connect"
        try:
            await smtp.connect()
            if self._config.user:
                step = "login"
                await smtp.login(self._config.user, self._password)
            step = "sender"
            await smtp.mail(self._config.sender)
            step = "recipient"
            await smtp.rcpt(address)
        except SMTPResponseException as error:
            raise self._answered(error, step, address) from None
        except (SMTPException, OSError, ValueError) as error:  # ValueError: certificates that cannot be used
            raise NotSent(self._words(error)) from None

    async def _give(self, smtp: aiosmtplib.SMTP, mail: EmailMessage) -> None:
        try:
            await smtp.data(mail.as_bytes(policy=MAIL_POLICY))
        except SMTPResponseException as error:
            raise self._answered(error, "text", str(mail["To"])) from None
        except (SMTPException, OSError) as error:
            raise OutcomeUnknown(self._words(error)) from None

    def _answered(self, error: SMTPResponseException, step: str, address: str) -> Exception:
        said = scrub(scrub(str(error.message), self._password), address)
        why = f"{step}: {error.code} {said[:MOST_WORDS]}"
        if error.code == SERVICE_GONE or error.code < 500 or step == "connect":
            return NotSent(why)
        return ChannelRefused(why) if step in {"login", "sender"} else RefusedForGood(why)

    def _words(self, error: Exception) -> str:
        return scrub(f"{type(error).__name__}: {error}", self._password)[:MOST_WORDS]


def address_of(recipient: str) -> str:
    """The part of a recipient behind its channel's name."""
    return recipient.partition(":")[2]


def message_id(event: str, part: int, recipient: str, sender: str) -> str:
    """The same for every repetition of a letter."""
    digest = sha256(f"{event}\n{part}\n{recipient}".encode()).hexdigest()[:40]
    return f"<{digest}@{sender.rpartition('@')[2]}>"


def mail_of(letter: Letter, sender: str, first_id: str = "") -> EmailMessage:
    """The mail that a letter is; with `first_id` an answer to the mail that has it."""
    parcel = letter.parcel
    mail = EmailMessage()
    mail["From"] = f"MoonDev <{sender}>"
    mail["To"] = address_of(letter.recipient)
    mail["Subject"] = f"Re: {parcel.title}" if first_id else parcel.title
    mail["Date"] = datetime.fromtimestamp(letter.created_ns / 1e9, tz=UTC)
    mail["Message-ID"] = message_id(letter.event, letter.part, letter.recipient, sender)
    if first_id:
        mail["In-Reply-To"] = mail["References"] = first_id
    mail["Auto-Submitted"] = "auto-generated"
    if parcel.severity is Severity.CRITICAL:
        mail["Importance"] = "high"
        mail["X-Priority"] = "1"
    shown = {f"picture{number}": picture for number, picture in enumerate(parcel.pictures, 1)}
    mail.set_content(parcel.plain)
    images = "".join(f'<p><img src="cid:{cid}" alt="{escape(p.words)}" width="100%"></p>' for cid, p in shown.items())
    mail.add_alternative(
        f'<div style="white-space:pre-wrap;font-family:sans-serif">{parcel.text}</div>{images}', subtype="html"
    )
    html = mail.get_payload()[1]  # type: ignore[index]
    assert isinstance(html, EmailMessage)  # noqa: S101 - what add_alternative has just made
    for cid, picture in shown.items():
        html.add_related(
            picture.png, maintype="image", subtype="png", cid=f"<{cid}>", filename=picture.name, disposition="inline"
        )
    if parcel.file_name:
        mail.add_attachment(parcel.file_text, filename=parcel.file_name)
    return mail
