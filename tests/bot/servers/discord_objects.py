"""The JSON objects that discord.py wants to see: users, a guild with one channel, interactions."""

from __future__ import annotations

from typing import Any

APP = "100"
BOT = "100"
GUILD = "200"
CHANNEL = "300"
OTHER_CHANNEL = "301"
DM = "77000"
"""What the number of a channel with one person begins with."""
JOINED = "2024-01-01T00:00:00+00:00"


def user(uid: int, *, bot: bool = False) -> dict[str, Any]:
    name = f"user{uid}"
    return {"id": str(uid), "username": name, "discriminator": "0", "avatar": None, "global_name": name, "bot": bot}


def member(uid: int, *, bot: bool = False) -> dict[str, Any]:
    return {"user": user(uid, bot=bot), "roles": [], "joined_at": JOINED, "deaf": False, "mute": False, "flags": 0}


def channel(number: str = CHANNEL) -> dict[str, Any]:
    return {
        "id": number,
        "type": 0,
        "name": f"desk{number}",
        "guild_id": GUILD,
        "position": 0,
        "permission_overwrites": [],
        "nsfw": False,
        "parent_id": None,
    }


def dm_of(who: int) -> str:
    return f"{DM}{who}"


def dm(who: int) -> dict[str, Any]:
    return {"id": dm_of(who), "type": 1, "last_message_id": None, "recipients": [user(who)]}


def guild() -> dict[str, Any]:
    everyone = {
        "id": GUILD,
        "name": "@everyone",
        "permissions": "8",
        "position": 0,
        "color": 0,
        "hoist": False,
        "managed": False,
        "mentionable": False,
    }
    empty = ("threads", "emojis", "stickers", "features", "voice_states", "presences")
    more = ("stage_instances", "guild_scheduled_events", "soundboard_sounds")
    levels = ("default_message_notifications", "explicit_content_filter", "mfa_level", "nsfw_level", "premium_tier")
    return {
        "id": GUILD,
        "name": "guild",
        "icon": None,
        "owner_id": "1",
        "roles": [everyone],
        "channels": [channel(), channel(OTHER_CHANNEL)],
        "members": [member(int(BOT), bot=True)],
        "member_count": 3,
        "large": False,
        "verification_level": 0,
        "preferred_locale": "en-US",
        "afk_timeout": 0,
        "system_channel_flags": 0,
        **{name: [] for name in (*empty, *more)},
        **dict.fromkeys(levels, 0),
    }


def interaction(number: str, kind: int, data: dict[str, Any], who: int, where: str, token: str) -> dict[str, Any]:
    made = {
        "id": number,
        "application_id": APP,
        "type": kind,
        "data": data,
        "channel_id": where,
        "token": token,
        "version": 1,
        "app_permissions": "8",
        "locale": "en-US",
        "entitlements": [],
        "authorizing_integration_owners": {"0": GUILD},
        "attachment_size_limit": 10_485_760,
    }
    if where == dm_of(who):
        return made | {"user": user(who), "channel": dm(who), "context": 1}
    there = {"guild_id": GUILD, "channel": channel(where) | {"permissions": "8"}, "guild_locale": "en-US", "context": 0}
    return made | there | {"member": member(who) | {"permissions": "8"}}


def message_problems(body: dict[str, Any]) -> str:
    """What Discord refuses a message for; "" when it takes it."""
    embeds = body.get("embeds") or []
    if len(body.get("content") or "") > 2000:
        return "content too long"
    if len(embeds) > 10 or sum(_embed_size(embed) for embed in embeds) > 6000:
        return "more than 6000 characters in all embeds"
    for embed in embeds:
        if len(embed.get("description", "")) > 4096 or len(embed.get("title", "")) > 256:
            return "embed too long"
    if not (body.get("content") or "").strip() and not body.get("_files") and not any(map(_holds, embeds)):
        return "cannot send an empty message"
    return _button_problems([row["components"] for row in body.get("components") or []])


def _embed_size(embed: dict[str, Any]) -> int:
    footer = embed.get("footer", {}).get("text", "")
    fields = sum(len(field["name"]) + len(field["value"]) for field in embed.get("fields", []))
    return len(embed.get("title", "")) + len(embed.get("description", "")) + len(footer) + fields


def _holds(embed: dict[str, Any]) -> bool:
    return bool(embed.get("title", "").strip() or embed.get("description", "").strip() or embed.get("image"))


def _button_problems(rows: list[list[dict[str, Any]]]) -> str:
    buttons = [button for row in rows for button in row]
    ids = [button["custom_id"] for button in buttons]
    if len(rows) > 5 or any(not 1 <= len(row) <= 5 for row in rows):
        return "components: five rows of one to five buttons"
    if len(set(ids)) < len(ids) or any(not 1 <= len(one) <= 100 for one in ids):
        return "custom_id: 1 to 100 characters, each once"
    if any(not 1 <= len(button.get("label") or "") <= 80 for button in buttons):
        return "label: 1 to 80 characters"
    return ""
