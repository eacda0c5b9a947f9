"""A `Message` as plain text, Telegram HTML and Discord markdown; pure, and cut to each channel's limits.

A message becomes lines; lines become pages that fit; pages become parcels. More than `MAX_PAGES` pages
become one parcel with a text file. Lengths are counted in UTF-16 units, as Telegram does: never too few.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from itertools import groupby

from msgspec import Struct, structs

from bot.harmless import harmless, one_line, shortened, units
from bot.message import Button, Code, Message, Pairs, Picture, Table, Text
from domain.facts import Severity
from domain.settings import Person

TELEGRAM_LIMIT = 4096
TELEGRAM_CAPTION_LIMIT = 1024
DISCORD_LIMIT = 4096
"""Of an embed's description; plain content may have 2000."""
MAX_PAGES = 3
MAX_ENTITIES = 90
"""Telegram shows no more than 100 changes of look in a text."""
CAPTION_UNITS = 310
"""How long a title or a picture's words may be in a caption, beside the stamp."""
MOST_NAMED = 8
MOST_NAME = 30
"""Persons that a message calls by name, and units of a name."""
PART_RESERVE = 120
"""Room for the part number and for what the outbox may put in front of a late or repeated message."""
MARKS = {
    Severity.INFO: "",
    Severity.WARNING: "⚠️ ",
    Severity.ERROR: "❗ ",
    Severity.CRITICAL: "🚨 ",
}


class Line(Struct, frozen=True, gc=False):
    """One line: `look` is "" (running text), "bold", "fixed" (table or code) or "small" (the stamp)."""

    text: str
    look: str = ""


class Dialect(Struct, frozen=True):
    """How a channel writes: escaping, what goes around each look, and how long a text may be."""

    name: str
    escape: Callable[[str], str]
    escape_fixed: Callable[[str], str]
    around: dict[str, tuple[str, str]]
    limit: int
    caption_limit: int

    @property
    def room_below(self) -> int:
        """How long a text below a picture may be, with what the outbox may put in front of it."""
        return self.caption_limit - PART_RESERVE


class Parcel(Struct, frozen=True, kw_only=True):
    """What one send carries. `plain` is the same without markup, for the server that refuses the markup."""

    title: str = ""
    """Of the whole message, where a channel shows it apart: a mail's subject."""
    text: str
    plain: str
    severity: Severity = Severity.INFO
    buttons: tuple[Button, ...] = ()
    file_name: str = ""
    file_text: str = ""
    is_secret: bool = False
    picture: Picture | None = None
    """Shown above the text, which is then no longer than a caption may be."""
    pictures: tuple[Picture, ...] = ()
    """All of them, where one send carries several: in a mail."""
    pings: tuple[int, ...] = ()
    """Discord's accounts that are pinged beside the text."""


def _same(text: str) -> str:
    return text


_MARKED = re.compile(r"([\\*_~`|\[\]<@])")
_LISTED = re.compile(r"^(\s*(?=[#>+-])|\s*[0-9]+(?=[.)](?:\s|$)))(.)")
"""What makes a head, a quote or a list at the beginning of a line."""


def _escape_discord(text: str) -> str:
    return _LISTED.sub(r"\1\\\2", _MARKED.sub(r"\\\1", text))


def _escape_discord_fixed(text: str) -> str:
    return text.replace("`", "'")


def _escape_html(text: str) -> str:
    return html.escape(text, quote=False)


_NOTHING = ("", "")
PLAIN = Dialect("plain", _same, _same, {}, 1 << 60, 1 << 60)
TELEGRAM = Dialect(
    "telegram",
    _escape_html,
    _escape_html,
    {"bold": ("<b>", "</b>"), "fixed": ("<pre>", "</pre>"), "small": ("<i>", "</i>")},
    TELEGRAM_LIMIT,
    TELEGRAM_CAPTION_LIMIT,
)
DISCORD = Dialect(
    "discord",
    _escape_discord,
    _escape_discord_fixed,
    {"bold": ("**", "**"), "fixed": ("```\n", "\n```"), "small": ("-# ", "")},
    DISCORD_LIMIT,
    DISCORD_LIMIT,
)
EMAIL = Dialect(
    "email",
    _escape_html,
    _escape_html,
    {"bold": ("<b>", "</b>"), "fixed": ("<pre>", "</pre>"), "small": ("<small>", "</small>")},
    1 << 60,
    1 << 60,
)


def plain(message: Message, *, files: bool = True) -> str:
    """The whole message as plain text, for terminal, dashboard and files; without `files` theirs is left out."""
    message = harmless(message)
    below = [Line(f"[picture: {picture.words}]") for picture in message.pictures]
    below += [Line(message.file_text)] if message.file_name and files else []
    return "\n".join(line.text for line in [*_lines(message), *below, *_stamp(message)])


def markup(message: Message, dialect: Dialect) -> str:
    """The whole message in a dialect without limits, its pictures and file not among it."""
    message = harmless(message)
    return _markup([*_lines(message), *_stamp(message)], dialect)


def telegram(message: Message) -> tuple[Parcel, ...]:
    """The message in Telegram HTML, at most `MAX_PAGES` texts or one file."""
    return _parcels(message, TELEGRAM)


def discord(message: Message) -> tuple[Parcel, ...]:
    """The message in Discord markdown for embeds' descriptions, at most `MAX_PAGES` or one file."""
    return _parcels(message, DISCORD)


def _parcels(message: Message, dialect: Dialect) -> tuple[Parcel, ...]:
    message = harmless(message)
    names = _names(message)
    room = structs.replace(dialect, limit=dialect.limit - units(names) - 1) if names else dialect
    pages = _pages(_lines(message), _stamp(message), room)
    if len(pages) > MAX_PAGES:
        return (_named(message, _file_parcel(message, dialect), dialect),)
    last = len(pages)
    parcels = tuple(
        Parcel(
            text=_markup(page, dialect),
            plain="\n".join(line.text for line in page),
            severity=message.severity,
            buttons=message.buttons if position == last else (),
            is_secret=message.is_secret,
        )
        for position, page in enumerate(pages, 1)
    )
    parcels = (*parcels[:-1], _named(message, parcels[-1], dialect))
    attached = (_attached(message, dialect),) if message.file_name else ()
    return (*_illustrated(message, parcels, dialect), *attached)


def _name(person: Person) -> str:
    return shortened(one_line(person.name), MOST_NAME)


def _linked(person: Person, dialect: Dialect) -> str:
    """A name as the channel writes it; on Telegram it is what makes a telephone ring."""
    name = dialect.escape(_name(person))
    is_linked = dialect is TELEGRAM and person.telegram_user_id
    return f'<a href="tg://user?id={person.telegram_user_id}">{name}</a>' if is_linked else name


def _names(message: Message, write: Callable[[Person], str] = _name) -> str:
    """Who is to look at it, in words; "" = nobody in particular."""
    names = ", ".join(write(person) for person in message.mentions[:MOST_NAMED])
    more = len(message.mentions) - MOST_NAMED
    return f"For {names}{f' and {more} more' if more > 0 else ''}" if names else ""


def _named(message: Message, parcel: Parcel, dialect: Dialect) -> Parcel:
    """The parcel with who is to look at it, in the way of the channel that makes their telephone ring."""
    names = _names(message)
    if not names:
        return parcel
    shown = _names(message, lambda person: _linked(person, dialect))
    pings = tuple(person.discord_user_id for person in message.mentions if person.discord_user_id)
    return structs.replace(
        parcel,
        text=f"{parcel.text}\n{shown}",
        plain=f"{parcel.plain}\n{names}",
        pings=pings[:MOST_NAMED] if dialect is DISCORD else (),
    )


def _illustrated(message: Message, parcels: tuple[Parcel, ...], dialect: Dialect) -> tuple[Parcel, ...]:
    """The text below the first picture, where it fits there; else the pictures behind it, each with its words."""
    pictures = message.pictures
    if pictures and len(parcels) == 1 and max(units(parcels[0].text), units(parcels[0].plain)) <= dialect.room_below:
        parcels, pictures = (structs.replace(parcels[0], picture=pictures[0]),), pictures[1:]
    return (*parcels, *(_captioned(message, picture, dialect) for picture in pictures))


def _captioned(message: Message, picture: Picture, dialect: Dialect) -> Parcel:
    line = Line(shortened(picture.words, CAPTION_UNITS))
    text = _markup([line], dialect)
    return Parcel(text=text, plain=line.text, severity=message.severity, picture=picture)


def _attached(message: Message, dialect: Dialect) -> Parcel:
    """The file that a message carries, with its name as the caption: a caption may be much shorter than a text."""
    line = Line(message.file_name, "bold")
    return Parcel(
        text=_markup([line], dialect),
        plain=line.text,
        severity=message.severity,
        file_name=message.file_name,
        file_text=message.file_text,
    )


def _file_parcel(message: Message, dialect: Dialect) -> Parcel:
    whole = plain(message)
    title = Line(shortened(_title(message), CAPTION_UNITS), "bold")
    note = Line(f"{whole.count(chr(10)) + 1} lines: too long for a chat, so it is in the file.")
    page = [title, note, *_stamp(message)]
    name = re.sub(r"[^a-z0-9]+", "-", message.title.lower()).strip("-")[:40] or "reply"
    return Parcel(
        text=_markup(page, dialect),
        plain="\n".join(line.text for line in page),
        severity=message.severity,
        buttons=message.buttons,
        file_name=f"{name}.txt",
        file_text=whole,
    )


def _title(message: Message) -> str:
    return f"{MARKS[message.severity]}{message.title}"


def _stamp(message: Message) -> list[Line]:
    return [Line(message.stamp, "small")] if message.stamp else []


def _lines(message: Message) -> list[Line]:
    lines = [Line(_title(message), "bold")]
    for block in message.blocks:
        match block:
            case Text(text):
                lines += [Line(part) for part in text.splitlines()]
            case Pairs(rows):
                width = max((len(name) for name, _ in rows), default=0)
                lines += [Line(f"{name:<{width}}  {value}".rstrip(), "fixed") for name, value in rows]
            case Table():
                lines += [Line(text, "fixed") for text in _grid(block)]
            case Code(text):
                lines += [Line(part, "fixed") for part in text.splitlines()]
    return lines


def _grid(table: Table) -> list[str]:
    rows = [table.columns, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    return [
        "  ".join(
            cell.ljust(width) if column < table.left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _markup(page: Iterable[Line], dialect: Dialect) -> str:
    parts = []
    for look, lines in groupby(page, key=lambda line: line.look):
        before, after = dialect.around.get(look, _NOTHING)
        escape = dialect.escape_fixed if look == "fixed" else dialect.escape
        parts.append(before + "\n".join(escape(line.text) for line in lines) + after)
    return "\n".join(parts)


def _pages(lines: list[Line], tail: list[Line], dialect: Dialect) -> list[list[Line]]:
    """Cut at line ends into pages that fit with `tail` and a part number; long lines are cut too."""
    budget = dialect.limit - PART_RESERVE - sum(_cost(line, "", dialect) for line in tail)
    pages: list[list[Line]] = [[]]
    used, look, entities = 0, "", 0
    for line in _short_lines(lines, dialect, budget):
        cost = _cost(line, look, dialect)
        if pages[-1] and (used + cost > budget or entities >= MAX_ENTITIES):
            pages.append([])
            used, entities, cost = 0, 0, _cost(line, "", dialect)
        pages[-1].append(line)
        entities += bool(line.look) and line.look != look
        used, look = used + cost, line.look
    count = len(pages)
    if count == 1:
        return [[*pages[0], *tail]]
    foot = f" · {tail[0].text}" if tail else ""
    return [[*page, Line(f"part {position} of {count}{foot}", "small")] for position, page in enumerate(pages, 1)]


def _short_lines(lines: list[Line], dialect: Dialect, budget: int) -> Iterable[Line]:
    for line in lines:
        if _cost(line, "", dialect) <= budget:
            yield line
            continue
        step = max(budget // 8, 1)  # an escaped character takes at most six units, an emoji two
        for start in range(0, len(line.text), step):
            yield Line(line.text[start : start + step], line.look)


def _cost(line: Line, look_before: str, dialect: Dialect) -> int:
    """Units a line adds: its escaped text, its line break, and its markup where the look changes."""
    if line.look == look_before:
        escape = dialect.escape_fixed if line.look == "fixed" else dialect.escape
        return units(escape(line.text)) + 1
    return units(_markup([line], dialect)) + 1
