"""Renderers at the limits: whatever a message holds, each channel's server takes what comes out."""

from hypothesis import given
from hypothesis import strategies as st

from bot import render
from bot.message import Button, Code, Message, Pairs, Table, Text
from domain.facts import Severity
from domain.settings import Person, RoleName
from tests.bot.servers.telegram_text import shown, utf16

STAMP = "PAPER · market: simulated (seed 7) · 2026-01-01 00:00:00 UTC · data 120 ms old"
NASTY = "</pre><b>&amp; *bold* _x_ `code` ```\n[link](http://x) @everyone <@1> # head 💥"


def positions(count: int) -> Message:
    rows = tuple((f"BTC{n}-USDC-PERP.PAPER", "+0.25", "60000.1", "60100.2", "+25.00", "turtle") for n in range(count))
    table = Table(("symbol", "qty", "entry", "mark", "uPNL", "owner"), rows)
    return Message(title=f"Positions: {count}", blocks=(table,), stamp=STAMP)


def test_five_hundred_positions_become_a_file_that_has_them_all():
    for parcels in (render.telegram(positions(500)), render.discord(positions(500))):
        (parcel,) = parcels
        assert parcel.file_name == "positions-500.txt"
        assert all(f"BTC{n}-USDC" in parcel.file_text for n in range(500))
        assert STAMP in parcel.text.replace("\\", "")
        assert utf16(parcel.text) <= 1024


def test_a_hundred_positions_become_numbered_parts_each_with_its_stamp():
    parcels = render.telegram(positions(100))
    assert 2 <= len(parcels) <= 3
    for number, parcel in enumerate(parcels, 1):
        text = shown(parcel.text, "HTML")
        assert utf16(text) <= 4096
        assert f"part {number} of {len(parcels)} · {STAMP}" in text
    everything = "\n".join(parcel.plain for parcel in parcels)
    assert all(f"BTC{n}-USDC" in everything for n in range(100))


def test_few_positions_are_one_part_without_a_number():
    (parcel,) = render.telegram(positions(3))
    assert "part" not in parcel.text
    assert parcel.plain.endswith(STAMP)


def test_buttons_are_under_the_last_part_only():
    message = Message(
        title="long", blocks=(Code("\n".join("x" * 60 for _ in range(100))),), buttons=(Button("Approve", "ap:1"),)
    )
    *firsts, last = render.telegram(message)
    assert firsts
    assert all(not parcel.buttons for parcel in firsts)
    assert last.buttons == (Button("Approve", "ap:1"),)


def test_markup_in_names_is_shown_and_not_obeyed():
    message = Message(title=NASTY, blocks=(Text(NASTY), Code(NASTY), Pairs((("name", NASTY),))), stamp=STAMP)
    (parcel,) = render.telegram(message)
    assert "</pre><b>&amp;" in shown(parcel.text, "HTML")
    (parcel,) = render.discord(message)
    assert "\\@everyone" in parcel.text
    assert parcel.text.count("```") % 2 == 0


def test_plain_text_has_the_title_the_blocks_and_the_stamp():
    message = Message(
        title="Status",
        blocks=(Text("one\ntwo"), Pairs((("a", "1"), ("long", "2"))), Table(("x", "y"), (("r", "1"), ("s", "20")))),
        stamp=STAMP,
        severity=Severity.CRITICAL,
    )
    assert render.plain(message).splitlines() == [
        "🚨 Status",
        "one",
        "two",
        "a     1",
        "long  2",
        "x   y",
        "r   1",
        "s  20",
        STAMP,
    ]


texts = st.text(alphabet=st.sampled_from("ab <>&*_`~|\\[]@#-\n💥é"), max_size=400) | st.text(max_size=60)
blocks = st.one_of(
    st.builds(Text, texts),
    st.builds(Code, texts),
    st.builds(Pairs, st.lists(st.tuples(texts, texts), max_size=5).map(tuple)),
    st.builds(
        Table,
        st.just(("a", "b")),
        st.lists(st.tuples(texts, texts), max_size=30).map(tuple),
    ),
    st.builds(lambda text, times: Text(text * times), texts, st.integers(1, 60)),
)
messages = st.builds(
    Message, title=texts, blocks=st.lists(blocks, max_size=6).map(tuple), stamp=st.just(STAMP) | st.just("")
)


@given(messages)
def test_telegram_takes_every_rendered_part(message):
    for parcel in render.telegram(message):
        text = shown(parcel.text, "HTML")
        assert utf16(text) <= (1024 if parcel.file_name else 4096 - 64), "room is left for a note in front"
        assert utf16(parcel.plain) <= 4096


@given(messages)
def test_discord_takes_every_rendered_part(message):
    for parcel in render.discord(message):
        assert utf16(parcel.text) <= 4096 - 64
        assert parcel.text.count("```") % 2 == 0


def test_a_file_is_sent_as_a_file_and_stands_below_the_text_in_a_terminal():
    message = Message(
        title="Report", blocks=(Text("here it is"),), file_name="incident-I1.md", file_text="# I1\n" * 900
    )
    for parcels in (render.telegram(message), render.discord(message)):
        assert parcels[-1].file_name == "incident-I1.md"
        assert parcels[-1].file_text == message.file_text
        assert "here it is" in parcels[0].plain
    assert message.file_text in render.plain(message)


def test_who_is_called_is_linked_on_telegram_pinged_on_discord_and_fits_every_limit():
    tina = Person(id="tina", name="Tina <3 & *co*", role=RoleName.TRADER, telegram_user_id=11, discord_user_id=111)
    vera = Person(id="vera", name="Vera", role=RoleName.VIEWER)
    message = Message(title="down", blocks=(Text("x" * 3_960),), mentions=(tina, vera))
    (parcel, *_) = render.telegram(message)[-1:]
    assert parcel.text.endswith('For <a href="tg://user?id=11">Tina &lt;3 &amp; *co*</a>, Vera')
    assert parcel.plain.endswith("For Tina <3 & *co*, Vera")
    assert all(utf16(one.plain) <= render.TELEGRAM_LIMIT - render.PART_RESERVE for one in render.telegram(message))
    card = render.discord(message)[-1]
    assert card.pings == (111,)
    assert card.text.endswith("For Tina \\<3 & \\*co\\*, Vera")
    crowd = tuple(Person(id=f"p{n}", name="N" * 90, role=RoleName.VIEWER) for n in range(40))
    many = Message(title="down", mentions=crowd)
    assert "and 32 more" in render.telegram(many)[0].plain
    assert utf16(render.telegram(many)[0].plain) < 600
