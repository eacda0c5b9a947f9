"""Summaries arrive once: every day, across restarts, clock changes, outages and drawings that fail."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from bot.config import BotConfig, ContactConfig, EmailConfig, TelegramConfig
from bot.message import Message, Picture
from bot.render import plain
from bot.reports import compose
from bot.reports.calendar import Kind, Span
from bot.reports.service import Reports
from domain.facts import Severity
from domain.performance import Performance
from domain.ports import MAIN_STREAM
from engine.core.journal import FileJournal
from engine.verifier import Verifier
from tests.bot.streams.rooms import CONFIG, Carrier, control_room, say, settled
from tests.bot.test_pictures import PIXEL
from tests.bot.world import GROUP, TELEGRAM, Engine

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
CHAT, VERA = f"telegram:{GROUP}", f"telegram:{TELEGRAM['vera']}"
FRIDAY = int(datetime(2026, 3, 27, 12, tzinfo=UTC).timestamp()) * 1_000_000_000


@pytest.fixture(autouse=True)
def drawn(monkeypatch):
    """Drawing is another part's, and slow: here every picture is one pixel."""
    names = []

    async def draw(kind, room, span, zone):
        names.append(kind)
        return Picture(name=f"{kind}.png", png=PIXEL, words=f"{kind} of it")

    monkeypatch.setattr(compose, "drawn", draw)
    return names


def titles(carrier, recipient):
    return [text.splitlines()[0].partition(":")[0] for _, text in carrier.to(recipient) if "summary" in text[:20]]


def days(carrier, recipient):
    return [text.splitlines()[1].partition(" · ")[0] for _, text in carrier.to(recipient) if "summary" in text[:20]]


async def play(tmp_path, engine, carrier, hours, *, killed_every=7, config=CONFIG, line="", person="vera", step_h=1):
    """Hours go by; the service is killed and begun anew every few of them."""
    now_ns = FRIDAY
    done = 0
    while done < hours:
        async with control_room(tmp_path, engine, config, carrier) as room:
            reports = Reports(room)
            for _ in range(killed_every):
                if line and not done:
                    room.schedules._all.clear()
                    await say(room, person, line)
                    for one in room.schedules.all():
                        await room.schedules.put(replace(one, looked_ns=now_ns))
                await reports.step(now_ns)
                await reports.step(now_ns)
                done += step_h
                now_ns += step_h * HOUR_NS
            await settled(room)


async def test_every_day_has_one_summary_at_the_persons_time_across_a_change_of_the_clocks(tmp_path):
    engine, carrier = Engine(start_ns=FRIDAY - DAY_NS), Carrier()
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        await room.people.change("vera", timezone="Europe/Berlin")
    await play(tmp_path, engine, carrier, 24 * 4, line="/schedule set daily 02:30")
    assert days(carrier, VERA) == [f"{day} Mar 2026 (UTC day)" for day in ("Fri 27", "Sat 28", "Sun 29", "Mon 30")]
    assert not any("earlier" in text for _, text in carrier.to(VERA))


async def test_after_an_absence_one_summary_tells_of_all_days(tmp_path):
    engine, carrier = Engine(start_ns=FRIDAY - DAY_NS), Carrier()
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        one = room.schedules.of("")[0]
        await room.schedules.put(replace(one, looked_ns=FRIDAY - 4 * HOUR_NS, covered_ns=FRIDAY - HOUR_NS * 12))
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        reports = Reports(room)
        for hour in range(30):
            await reports.step(FRIDAY + 3 * DAY_NS + hour * HOUR_NS)
        await settled(room)
    dailies = [text for _, text in carrier.to(CHAT) if text.startswith("Daily")]
    assert dailies[0].splitlines()[1:3] == [
        "27 to 29 Mar 2026 (3 UTC days) · paper money",
        "2 earlier summaries were not sent while the service was down; this one tells of those days too.",
    ]
    assert dailies[1].splitlines()[1].startswith("Mon 30 Mar 2026 (UTC day)")
    assert len(dailies) == 2


async def test_days_without_a_trade_are_told_too(tmp_path):
    engine, carrier = Engine(start_ns=FRIDAY - DAY_NS), Carrier()
    await play(tmp_path, engine, carrier, 48, line="/schedule set daily 08:00")
    assert len(titles(carrier, VERA)) == 2
    engine.play(10)
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        text = plain(await say(room, "vera", "/report"))
    assert "Nothing was traded." in text or "No figures" in text


async def test_without_its_pictures_a_summary_still_comes(tmp_path, monkeypatch):
    async def fails(kind, *_):
        raise ValueError("the font is missing") if kind == "equity" else TimeoutError

    monkeypatch.setattr(compose, "drawn", fails)
    engine = Engine(start_ns=FRIDAY)
    engine.play(5)
    async with control_room(tmp_path, engine) as room:
        made = await compose.compose(room, Kind.WEEKLY, Span(FRIDAY - DAY_NS, FRIDAY + DAY_NS), "UTC", FRIDAY)
    assert made.pictures == ()
    assert "2 of 2 charts could not be drawn" in plain(made)


async def test_a_summary_that_cannot_be_made_is_tried_again_and_then_said(tmp_path, monkeypatch):
    engine, carrier = Engine(start_ns=FRIDAY - DAY_NS), Carrier()
    broken = True

    async def performance(since_ns, until_ns):
        if broken:
            raise OSError("disk")
        return Performance(since_ns=since_ns, until_ns=until_ns, problem="No figures: a test.")

    monkeypatch.setattr(engine.desk, "performance", performance)
    at = FRIDAY + 20 * HOUR_NS
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        for one in room.schedules.all():
            await room.schedules.put(replace(one, looked_ns=FRIDAY))
        reports = Reports(room)
        await reports.step(at)
        await reports.step(at + 200_000_000_000)
        assert not carrier.sent, "it is tried again"
        broken = False
        await reports.step(at + 240_000_000_000)
        await settled(room)
        assert titles(carrier, CHAT) == ["Daily summary"]
        broken = True
        await reports.step(at + DAY_NS + 600_000_000_000)
        await settled(room)
        assert "It cannot be made (OSError)" in carrier.to(CHAT)[-1][1]


async def test_who_cannot_be_reached_is_told_everything_when_that_is_over(tmp_path):
    engine, carrier = Engine(start_ns=FRIDAY - DAY_NS), Carrier()
    nobody = BotConfig(telegram=TelegramConfig(enabled=False))
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        one = room.schedules.of("")[0]
        await room.schedules.put(replace(one, looked_ns=FRIDAY - DAY_NS, covered_ns=FRIDAY - 12 * HOUR_NS))
    async with control_room(tmp_path, engine, nobody, carrier) as room:
        for hour in range(48):
            await Reports(room).step(FRIDAY + hour * HOUR_NS)
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        await Reports(room).step(FRIDAY + 3 * DAY_NS)
        await settled(room)
    (text,) = [text for _, text in carrier.to(CHAT) if text.startswith("Daily")]
    assert "27 to 29 Mar 2026 (3 UTC days)" in text


async def test_a_summary_goes_where_a_person_wants_it(tmp_path):
    config = BotConfig(
        telegram=CONFIG.telegram,
        email=EmailConfig(enabled=True, server="localhost", sender="bot@example.org"),
        contacts=(ContactConfig(person="vera", email="vera@example.org"),),
    )
    engine, carrier = Engine(start_ns=FRIDAY - DAY_NS), Carrier()
    await play(tmp_path, engine, carrier, 24, config=config, line="/schedule set daily 08:00 by email,telegram")
    assert {whom for whom, *_ in carrier.sent if "vera" in whom or whom == VERA} == {VERA, "email:vera@example.org"}


async def test_only_an_admin_decides_what_the_alert_chats_get(tmp_path):
    async with control_room(tmp_path, Engine()) as room:
        refused = await say(room, "rosa", "/schedule set daily 09:00 desk")
        assert not refused.ok
        assert "needs admin" in plain(refused)
        assert not (await say(room, "rosa", "/schedule off all desk")).ok
        assert room.schedules.of("")[0].timing.words == "daily 08:00"
        await room.people.change("adam", timezone="America/New_York")
        asked = plain(await say(room, "adam", "/schedule set daily 09:00 for desk"))
        assert "Now: daily 08:00 as UTC." in asked
        assert room.schedules.of("")[0].timing.words == "daily 08:00", "nothing is done before the yes"
        assert "Summary: daily 09:00" in plain(await say(room, "adam", "/confirm C1"))
        assert "It was carried out once." in plain(await say(room, "adam", "/confirm C1"))
        assert "not get it any more" in plain(await say(room, "adam", "/schedule off monthly desk"))
    async with control_room(tmp_path, Engine()) as room:
        assert "No more: monthly 1 08:00" in plain(await say(room, "adam", "/confirm C2")), "after a restart too"
    async with control_room(tmp_path, Engine()) as room:
        assert [(one.timing.words, one.zone) for one in room.schedules.of("")] == [
            ("daily 09:00", "America/New_York"), ("weekly mon 08:00", "UTC"),
        ]  # fmt: skip
        assert "nothing to end" in (await say(room, "adam", "/schedule off monthly desk")).title


async def test_next_runs_are_shown_in_the_readers_zone(tmp_path):
    async with control_room(tmp_path, Engine()) as room:
        await room.people.change("vera", timezone="Asia/Kolkata")
        await say(room, "vera", "/schedule set daily 8am")
        text = plain(await say(room, "vera", "/schedule"))
        assert " 08:00 IST by telegram" in text
        assert " 13:30 IST (as UTC)" in text, "the alert chats' own time is in UTC"
        zone = ZoneInfo("Asia/Kolkata")
        next_ns = Reports(room).next_ns(room.schedules.of("vera")[0], engine_now := FRIDAY)
        assert datetime.fromtimestamp(next_ns / 1e9, zone).hour == 8
        assert next_ns > engine_now


async def test_a_person_who_left_gets_nothing(tmp_path):
    engine, carrier = Engine(start_ns=FRIDAY - DAY_NS), Carrier()
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        one = replace(room.schedules.of("")[0], owner="nobody", looked_ns=FRIDAY - DAY_NS)
        await room.schedules.put(one)
        await Reports(room).step(FRIDAY + DAY_NS)
        await settled(room)
    assert not [one for one in carrier.sent if "nobody" in one[0]]


async def test_an_audit_chain_that_is_not_whole_is_a_critical_alert(tmp_path):
    engine = Engine()
    journal = FileJournal(tmp_path / "journal", fsync=False)
    for seq in range(1, 40):
        journal.append(MAIN_STREAM, seq, seq, b"x" * 20)
    journal.flush()
    engine.desk.records.verifier = Verifier(journal, engine)
    async with control_room(tmp_path, engine) as room:
        await Reports(room).verify()
        assert not room.alerts.open()
        segment = next((tmp_path / "journal").glob("main-*.journal"))
        data = bytearray(segment.read_bytes())
        data[len(data) // 2] ^= 1
        segment.write_bytes(data)
        await Reports(room).verify()
        (alert,) = room.alerts.open()
        assert (alert.severity, alert.title) == (Severity.CRITICAL, "The audit chain is NOT WHOLE")
    journal.close()


class Killed(Exception):
    """The process is gone."""


def kill(*_):
    raise Killed


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
async def test_a_service_killed_while_it_sends_a_summary_sends_it_once(tmp_path, monkeypatch, moment):
    engine, carrier = Engine(start_ns=FRIDAY - DAY_NS), Carrier()
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        one = replace(room.schedules.of("")[0], looked_ns=FRIDAY)
        await room.schedules.put(one)
        victim = room.schedules if moment == "before the commit" else room.outbox
        monkeypatch.setattr(victim, "told" if victim is room.schedules else "accept", kill)
        with pytest.raises(Killed):
            await Reports(room).step(FRIDAY + DAY_NS)
        monkeypatch.undo()
        monkeypatch.setattr(compose, "drawn", kill)
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        for minute in range(3):
            await Reports(room).step(FRIDAY + DAY_NS + minute * HOUR_NS // 60)
        await settled(room)
    assert titles(carrier, CHAT) == ["Daily summary"]


async def test_who_cannot_be_reached_is_not_promised_a_summary(tmp_path):
    async with control_room(tmp_path, Engine(), BotConfig()) as room:
        refused = await say(room, "vera", "/schedule set daily 08:00")
        assert not refused.ok
        assert "cannot write to you alone" in plain(refused)
        assert "No alert chat is configured" in plain(await say(room, "vera", "/schedule"))


async def test_a_change_that_is_made_while_a_summary_is_drawn_stays(tmp_path):
    async with control_room(tmp_path, Engine(start_ns=FRIDAY - DAY_NS)) as room:
        seen = room.schedules.find("", Kind.DAILY)
        await room.schedules.put(replace(seen, is_on=False))
        letters = room.outbox.letters("report:1", [CHAT], Message(title="Daily summary"))
        await room.schedules.told(seen, FRIDAY, Span(FRIDAY - DAY_NS, FRIDAY), letters)
        kept = room.schedules.find("", Kind.DAILY)
        assert (kept.is_on, kept.covered_ns) == (False, FRIDAY)
