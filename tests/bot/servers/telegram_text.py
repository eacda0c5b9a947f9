"""What Telegram lets into a message: its markup, its limits, and how pictures and files are changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

TAGS = {"b", "i", "u", "s", "code", "pre"}
TEXT_LIMIT, CAPTION_LIMIT = 4096, 1024
PNG = b"\x89PNG\r\n\x1a\n"


class Refusal(Exception):
    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters


def shown(text: str, parse_mode: str) -> str:
    """The text as people see it, or Telegram's refusal of its markup."""
    if parse_mode != "HTML":
        return text
    open_tags: list[str] = []
    for match in re.finditer(r"<(/?)([^<>]*)>|[<>]", text):
        closing, tag = match[1], match[2]
        if tag is None or tag not in TAGS or (closing and (not open_tags or open_tags.pop() != tag)):
            raise Refusal(400, f"Bad Request: can't parse entities: unsupported {match[0]!r} at {match.start()}")
        if not closing:
            open_tags.append(tag)
    if open_tags:
        raise Refusal(400, f"Bad Request: can't parse entities: can't find end tag of {open_tags[-1]}")
    if len(re.findall(r"<[^/]", text)) > 100:
        raise Refusal(400, "Bad Request: too many entities")
    return unescape(re.sub(r"<[^<>]*>", "", text))


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


class Media:
    """The methods that change a picture or file, or what stands below it."""

    sent: list[Any]
    _show: Callable[..., dict[str, Any]]
    """The server's own: notes what people see and makes the message that is answered with."""

    async def _editMessageCaption(self, fields: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        known = [one for one in self.sent if one.message_id == int(fields["message_id"])]
        if not known or not known[-1].file_name:
            raise Refusal(400, "Bad Request: there is no caption in the message to edit")
        caption = shown(fields.get("caption", ""), fields.get("parse_mode", ""))
        if utf16(caption) > CAPTION_LIMIT:
            raise Refusal(400, "Bad Request: message caption is too long")
        made = self._show("editMessageCaption", fields, caption, int(fields["message_id"]))
        self.sent[-1].file_name, self.sent[-1].picture = known[-1].file_name, known[-1].picture
        return made

    async def _editMessageMedia(self, fields: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if not any(one.message_id == int(fields["message_id"]) for one in self.sent):
            raise Refusal(400, "Bad Request: message to edit not found")
        media = json.loads(fields["media"])
        file = fields[media["media"].removeprefix("attach://")]
        content = file.file.read()
        if media["type"] == "photo" and not content.startswith(PNG):
            raise Refusal(400, "Bad Request: IMAGE_PROCESS_FAILED")
        caption = shown(media.get("caption", ""), media.get("parse_mode", ""))
        if utf16(caption) > CAPTION_LIMIT:
            raise Refusal(400, "Bad Request: message caption is too long")
        made = self._show("editMessageMedia", fields, caption, int(fields["message_id"]))
        self.sent[-1].file_name = file.filename
        if media["type"] == "photo":
            self.sent[-1].picture = content
        else:
            self.sent[-1].file_text = content.decode()
        return made
