"""A message as any screen may be given it, whatever a venue, a file or a stranger put into its texts; pure.

Halves of characters, which no encoding can carry, control characters and changes of the writing direction are taken
out: a name must neither stop a message nor turn the number beside it around. Scripts, emoji and their joiners stay.
"""

from __future__ import annotations

import re

from msgspec import structs

from bot.message import Block, Button, Code, Message, Pairs, Picture, Table, Text

TITLE_UNITS = 300
STAMP_UNITS = 500
LABEL_UNITS = 40
_BREAK = re.compile("\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_HARMFUL = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def units(text: str) -> int:
    """Length in UTF-16 code units, as Telegram counts."""
    return len(text) + sum(char > "\uffff" for char in text)


def shortened(text: str, limit: int) -> str:
    """At most `limit` UTF-16 units of a text; what is cut off is shown by an ellipsis."""
    if units(text) <= limit:
        return text
    kept = text[: limit - 1]
    while units(kept) >= limit:
        kept = kept[: -(-(units(kept) - limit + 1) // 2)]
    return f"{kept}…"


def one_line(text: str) -> str:
    """A text for a title, a name or a cell: no line breaks, nothing at its ends."""
    return _HARMFUL.sub("", _BREAK.sub(" ", text).replace("\t", " ")).strip()


def lines(text: str) -> str:
    """A text whose only control characters are line feeds."""
    return _HARMFUL.sub("", _BREAK.sub("\n", text).replace("\t", "    "))


def harmless(message: Message) -> Message:
    """The message with all its texts made harmless; its title, labels and file names are never empty.

    A title longer than any is stands whole below its beginning.
    """
    title = one_line(message.title) or "MoonDev"
    whole = (Text(title),) if units(title) > TITLE_UNITS else ()
    return structs.replace(
        message,
        title=shortened(title, TITLE_UNITS),
        blocks=(*whole, *map(_block, message.blocks)),
        stamp=shortened(one_line(message.stamp), STAMP_UNITS),
        buttons=tuple(Button(shortened(one_line(one.label), LABEL_UNITS) or "…", one.data) for one in message.buttons),
        pictures=tuple(_picture(picture) for picture in message.pictures),
        file_name=_file_name(message.file_name) if message.file_name else "",
        file_text=lines(message.file_text) or ("(empty)" if message.file_name else ""),
    )


def _block(block: Block) -> Block:
    match block:
        case Text(text):
            return Text(lines(text))
        case Code(text):
            return Code(lines(text))
        case Pairs(rows):
            return Pairs(tuple((one_line(name), one_line(value)) for name, value in rows))
        case Table(columns, rows, left):
            return Table(tuple(map(one_line, columns)), tuple(tuple(map(one_line, row)) for row in rows), left)


def _picture(picture: Picture) -> Picture:
    words = one_line(picture.words) or "picture"
    return Picture(name=_file_name(picture.name), png=picture.png, words=words)


def _file_name(name: str) -> str:
    """What every server and every disk takes as a name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:80] or "file.txt"
