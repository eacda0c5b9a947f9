"""A `Message` as a mail, as a text message and as the text of a webhook. Buttons need a chat and are left out."""

from __future__ import annotations

import unicodedata
from hashlib import sha256

from bot.harmless import harmless, one_line, units
from bot.message import Code, Message, Pairs, Table, Text
from bot.render import EMAIL, Parcel, markup, plain
from domain.facts import Severity

SMS_LIMIT = 160
SMS_RESERVE = 26
"""Room for what the outbox puts in front of a late or repeated one."""
LONGEST_REF = 20
GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""Characters of which 160 fit into one text message (GSM 03.38 without its escapes); any other makes it 70."""
INSTEAD = {
    **dict(zip("[]{}|~\\`·–—“”‘’", "()()/-/'---\"\"''", strict=True)),  # noqa: RUF001
    "…": "...",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "€": "EUR",
}
WORDS = {Severity.WARNING: "warning: ", Severity.ERROR: "ERROR: ", Severity.CRITICAL: "CRITICAL: "}


def email(message: Message) -> tuple[Parcel, ...]:
    """One mail: HTML in `text`, all pictures with it."""
    message = harmless(message)
    return (
        Parcel(
            title=f"{_where(message)}{WORDS.get(message.severity, '')}{message.title}",
            text=markup(message, EMAIL),
            plain=plain(message, files=False),
            severity=message.severity,
            file_name=message.file_name,
            file_text=message.file_text,
            is_secret=message.is_secret,
            pictures=message.pictures,
        ),
    )


def sms(message: Message) -> tuple[Parcel, ...]:
    """One text message of 160 characters: how bad, what, the first words of the rest, and the reference."""
    message = harmless(message)
    ref = message.stamp.rpartition("ref ")[2]
    is_short = len(ref) <= LONGEST_REF and gsm(ref) == ref
    tail = f" ref {ref if is_short else sha256(ref.encode()).hexdigest()[:8]}" if ref else ""
    head = f"{_where(message, '{} ')}{WORDS.get(message.severity, '')}{message.title}"
    more = " ".join(one_line(text) for text in _texts(message))
    whole = gsm(f"{head}. {more}" if more else head)
    room = SMS_LIMIT - SMS_RESERVE - len(tail)
    text = (whole if len(whole) <= room else f"{whole[: room - 3].rstrip()}...") + tail
    return (Parcel(title=message.title, text=text, plain=text, severity=message.severity, is_secret=message.is_secret),)


def hook(message: Message) -> tuple[Parcel, ...]:
    """The whole message as plain text, with its title beside it."""
    message = harmless(message)
    text = plain(message)
    return (Parcel(title=message.title, text=text, plain=text, severity=message.severity, is_secret=message.is_secret),)


def gsm(text: str) -> str:
    """The text in characters that cost a text message no more than one place each."""
    made = []
    for char in text:
        if char in GSM_7:
            made.append(char)
        elif char in INSTEAD:
            made.append(INSTEAD[char])
        else:
            bare = "".join(c for c in unicodedata.normalize("NFKD", char) if c in GSM_7)
            made.append(bare or ("" if unicodedata.category(char) in {"Mn", "Cf", "So"} else "?"))
    return " ".join("".join(made).split())


def _where(message: Message, look: str = "[{}] ") -> str:
    environment = message.stamp.partition(" ")[0]
    return look.format(environment) if environment.isalpha() and environment.isupper() else ""


def _texts(message: Message) -> list[str]:
    texts = []
    for block in message.blocks:
        match block:
            case Text(text) | Code(text):
                texts.append(text)
            case Pairs(rows):
                texts.append(", ".join(f"{name} {value}" for name, value in rows))
            case Table():
                texts += [" ".join(row) for row in block.rows]
    return texts


def sms_length(text: str) -> int:
    """Places that a text takes: 160 are one message when every character is plain, else 70."""
    return len(text) if set(text) <= GSM_7 else units(text) * SMS_LIMIT // 70
