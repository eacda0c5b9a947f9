"""Any message at all: both servers take what is rendered, people see what was meant, and nothing of it is obeyed."""

import re
import unicodedata
from email import policy
from email.parser import BytesParser

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import render
from bot.carrier import dated
from bot.channels.dialects import sms_length
from bot.channels.email import mail_of
from bot.channels.webhook import body_of
from bot.discord_send import embed_of
from bot.letters import DIALECTS
from bot.message import Button, Code, Message, Pairs, Picture, Table, Text
from bot.room import ControlRoom
from bot.store import Letter, OpsStore
from bot.verbs import VERBS, run_verb
from domain.facts import Severity
from tests.bot.servers.discord_objects import message_problems
from tests.bot.servers.telegram_text import CAPTION_LIMIT, TEXT_LIMIT, shown, utf16
from tests.bot.world import Engine, actor, fresh_id

SENDS_ELSEWHERE = frozenset({"backtest", "chart"})
"""Verbs that start a process; their words are tried where they are tested."""
FRONT = 100
"""What the outbox may put in front of a text: that it is late, that it may be a repetition."""
STAMP = "PAPER · market: simulated (seed 7) · 2026-01-01 00:00:00 UTC · data 120 ms old"
LANGUAGES = (
    "positions",
    "Позиции открыты",
    "מכר 0.5 ביטקוין",
    "بيع ٠٫٥ بيتكوين",  # noqa: RUF001 - those are the digits
    "買い注文 0.5 枚",
    "खाता शेष",
    "İstanbul ß ﬁ",
    "👩‍👩‍👧‍👦🏳️‍🌈👍🏽",
    "e\u0301a\u0302" * 5,
)
HOSTILE = (
    "</pre></b>&lt;b&gt;<script>",
    "```\n# head\n> quote\n- list\n1. one",
    "**b** __u__ ~~s~~ ||x|| `c` \\` \\",
    "[text](http://x.example) <@1> <#2> <t:0:R> @everyone @here :skull:",
    "\u202e0.5 lles\u202c \u2066x\u2069",
    "\x1b[2J\x1b]0;title\x07 \x00 \x08\x08\x08",
    "\r\n \u2028 \u2029 \x0b \x0c \x85",
    "\ud800 \udfff \ufffe \U0010ffff",
    "zero\u200bwidth\ufeff",
    "a" * 5000,
    "💥" * 3000,
    "<" * 4000,
    "`" * 4000,
    "\n" * 4000,
)
chars = st.characters() | st.characters(categories=("Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Mn", "So"))
texts = st.one_of(
    st.text(alphabet=chars, max_size=200),
    st.text(alphabet=st.sampled_from("ab <>&*_`~|\\[]@#-+.0\n\t💥é\u202e"), max_size=300),
    st.sampled_from([*LANGUAGES, *HOSTILE]),
)
words = texts.map(lambda text: text[:60])
tables = st.integers(0, 7).flatmap(
    lambda width: st.builds(
        Table,
        st.tuples(*[words] * width),
        st.lists(st.tuples(*[words] * width), max_size=60).map(tuple),
        st.integers(0, width),
    )
)
blocks = st.one_of(
    st.builds(Text, texts),
    st.builds(Code, texts),
    st.builds(Pairs, st.lists(st.tuples(words, texts), max_size=5).map(tuple)),
    tables,
    st.builds(lambda text, times: Text((text + " ") * times), words, st.integers(1, 400)),
)
pictures = st.builds(Picture, name=st.just("equity.png"), png=st.just(b"\x89PNG\r\n\x1a\n"), words=texts)
messages = st.builds(
    Message,
    title=texts,
    blocks=st.lists(blocks, max_size=6).map(tuple)
    | st.builds(lambda one, n: (Text("x"), one) * n, blocks, st.just(70)),
    severity=st.sampled_from(Severity),
    stamp=st.just(STAMP) | texts,
    pictures=st.lists(pictures, max_size=3).map(tuple),
    file_name=st.just("") | words,
    file_text=texts,
    buttons=st.lists(st.builds(Button, words, st.just("ap:1")), max_size=2).map(tuple),
)


def judge_telegram(parcel) -> None:
    """What Telegram's server would refuse, and what a person would see otherwise than meant."""
    limit = CAPTION_LIMIT if parcel.file_name or parcel.picture else TEXT_LIMIT
    text = shown(parcel.text, "HTML")
    assert text.strip()
    assert utf16(text) <= limit - FRONT
    assert utf16(parcel.plain) <= limit - FRONT
    assert text == parcel.plain, "without markup it says the same"
    assert not parcel.file_name or parcel.file_text
    assert all(button.label.strip() for button in parcel.buttons)


def judge_discord(parcel) -> None:
    body = {"embeds": [embed_of(parcel).to_dict()], "_files": {}, "components": []}
    assert not message_problems(body)
    assert utf16(parcel.text) <= render.DISCORD_LIMIT - FRONT
    assert seen(shown_on_discord(parcel.text)) == seen(parcel.plain)


def seen(text: str) -> str:
    """Apart from what a code block cannot show."""
    return text.replace("`", "'")


SPECIAL = re.compile(r"[*_~`|<@\[\]]")


def shown_on_discord(text: str) -> str:
    """What people see of an embed's description; an assertion where markup of others would be obeyed."""
    lines, fenced = [], False
    for line in text.split("\n"):
        if line == "```":
            fenced = not fenced
            continue
        if fenced:
            assert "```" not in line
            lines.append(line)
            continue
        inner = line.removeprefix("-# ")
        if len(inner) >= 4 and inner.startswith("**") and inner.endswith("**") and inner == line:
            inner = inner[2:-2]
        bare = re.sub(r"\\[\\*_~`|\[\]<@#>+.:-]", "", inner)
        assert not SPECIAL.search(bare), inner
        assert not bare.endswith("\\"), inner
        assert not re.match(r"\s*(#{1,3} |-# |>|[-+*] |\d+[.)] )", inner), inner
        lines.append(re.sub(r"\\([\\*_~`|\[\]<@#>+.:-])", r"\1", inner))
    assert not fenced
    return "\n".join(lines)


def controls(text: str) -> list[str]:
    """What no screen should be given: control characters, changes of direction, halves of characters."""
    return [
        char
        for char in text
        if (unicodedata.category(char) in {"Cc", "Cs"} and char not in "\n\t")
        or "\u202a" <= char <= "\u202e"
        or "\u2066" <= char <= "\u2069"
    ]


@settings(max_examples=40)
@given(messages)
def test_both_servers_take_whatever_a_message_holds_and_people_see_what_was_meant(message):
    for judge, parcels in ((judge_telegram, render.telegram(message)), (judge_discord, render.discord(message))):
        assert 1 <= len(parcels) <= render.MAX_PAGES + len(message.pictures) + 1
        for parcel in parcels:
            judge(parcel)
            assert not controls(parcel.text + parcel.plain + parcel.file_text)
            assert msgspec.msgpack.decode(msgspec.msgpack.encode(parcel), type=render.Parcel) == parcel


@settings(max_examples=40)
@given(messages)
def test_a_terminal_is_sent_no_control_characters(message):
    text = render.plain(message)
    assert not controls(text)
    text.encode()


def letter(recipient: str, parcel: render.Parcel) -> Letter:
    return Letter(event="fact:1:1", recipient=recipient, parcel=parcel, unsure=True, created_ns=1, id=7)


@settings(max_examples=40)
@given(messages)
def test_mail_text_messages_and_webhooks_take_it_too(message):
    assert set(DIALECTS) == {"telegram", "discord", "email", "sms", "hook", "apprise"}, "a new one: judge it here"
    (mail,) = DIALECTS["email"](message)
    sent = mail_of(dated(letter("email:tina@example.org", mail)), "bot@example.org").as_bytes()
    read = BytesParser(policy=policy.default).parsebytes(sent)
    assert "\n" not in read["Subject"]
    body = read.get_body(("plain",))
    assert body is not None
    assert body.get_content().strip()
    (short,) = DIALECTS["sms"](message)
    assert sms_length(dated(letter("sms:+15550001", short)).parcel.text) <= 160
    assert short.text.strip()
    (hooked,) = DIALECTS["hook"](message)
    assert msgspec.json.decode(body_of(dated(letter("hook:x", hooked)), ""))
    assert not controls(hooked.text + mail.text + mail.plain + short.text)


async def test_what_every_verb_answers_to_hostile_words_is_taken_by_every_channel(tmp_path):
    engine = Engine()
    room = ControlRoom(engine.desk, OpsStore(tmp_path / "ops.db"))
    await room.store.start()
    for hostile in (LANGUAGES[3], LANGUAGES[7], *HOSTILE[:6], HOSTILE[7]):
        for verb in VERBS:
            if verb.name in SENDS_ELSEWHERE:
                continue
            given_to = {one.name: one.choices[0] if one.choices else hostile[:300] for one in verb.arguments}
            reply = await run_verb(room, actor("adam"), verb, given_to, fresh_id())
            for judge, parcels in ((judge_telegram, render.telegram(reply)), (judge_discord, render.discord(reply))):
                for parcel in parcels:
                    judge(parcel)
    await room.store.aclose()
