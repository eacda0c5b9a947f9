"""Looking after the channels: trouble is told once, elsewhere, with what to do, and silence is broken."""

import pytest
from msgspec.structs import replace

from bot.carrier import ChannelRefused, NotSent, RefusedForGood
from bot.channels.heartbeat import SILENT_S, Heartbeat
from bot.channels.http import open_client
from bot.channels.watch import CANARY_NS, DOWN_NS, FAILING_NS, Watch
from bot.room import ControlRoom
from bot.store import OpsStore
from bot.supervise import Health
from domain.facts import Severity
from domain.settings import MINUTE_NS, SECOND_NS
from tests.bot.servers.hook import HookFault, HookServer
from tests.bot.test_floods import Filed
from tests.bot.test_handover import CONFIG, GROUP, HALT, TINA, Refusing
from tests.bot.world import Engine, until, wall_ns


class Alarms:
    """What was raised and what is over."""

    def __init__(self) -> None:
        self.raised: list[tuple[str, Severity, str, str]] = []
        self.over: list[str] = []

    async def raise_alert(self, kind, labels, severity, title, text, *, lasts=False):
        assert lasts
        self.raised.append((kind, severity, title, text))

    async def resolve(self, kind, labels, by=""):
        self.over.append(by)
        return True


class Probed(Filed):
    """Is asked silently, and answers with `error`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.error: Exception | None = None

    async def probe(self, recipient):
        self.asked.append(recipient)
        if self.error is not None:
            raise self.error
        return True


@pytest.fixture
async def room(tmp_path):
    engine = Engine(start_ns=wall_ns())  # when a canary is due, is told by the wall clock
    made = ControlRoom(engine.desk, OpsStore(tmp_path / "ops.db"), CONFIG)
    await made.store.start()
    yield made
    await made.outbox.aclose()
    await made.store.aclose()


@pytest.fixture
def seen(room):
    """The watch over channels whose health and clock the test sets."""
    healths = {name: Health(state="up") for name in ("telegram", "discord", "email", "sms")}
    clock = [room.desk.clock.now_ns()]
    alarms = Alarms()
    return Watch(room, alarms, lambda: healths, lambda: clock[0]), alarms, healths, clock


async def test_a_bot_that_was_removed_from_a_chat_is_told_at_once_with_what_to_do(room, seen):
    watch, alarms, _, _ = seen
    room.outbox.attach("telegram", Refusing("Forbidden: bot was kicked from the supergroup chat"))
    await room.outbox.post("a", [GROUP], HALT)
    await until(lambda: room.outbox.reach.of(GROUP).for_good)
    await watch.look()
    await watch.look()
    ((kind, severity, title, text),) = [one for one in alarms.raised if "-100" in one[2]]
    assert (kind, severity, title) == ("unreachable", Severity.ERROR, "Cannot reach the Telegram chat -100")
    assert "Add the bot to that chat again" in text
    room.outbox.attach("telegram", Filed())
    await room.outbox.post("b", [GROUP], HALT)
    await until(lambda: not room.outbox.reach.of(GROUP).failing_ns)
    await watch.look()
    assert "the Telegram chat -100 is reached again" in alarms.over


@pytest.mark.parametrize(
    ("recipient", "error", "words"),
    [
        ("discord:500", RefusedForGood("Forbidden: 50013 Missing Permissions"), "rights to see the channel"),
        ("discord:@111", RefusedForGood("Forbidden: 50007"), "messages from members"),
        (TINA, RefusedForGood("Forbidden: bot was blocked by the user"), "write to the bot once"),
        (GROUP, RefusedForGood("Bad Request: chat not found"), "Add the bot"),
        (GROUP, RefusedForGood("Bad Request: not enough rights"), "Let the bot write there"),
        ("email:tina@example.com", RefusedForGood("recipient: 550 no such user"), "address in contacts"),
        ("email:tina@example.com", ChannelRefused("login: 535 wrong"), "Nothing goes out by e-mail"),
        ("hook:pager", RefusedForGood("404"), "at the receiver"),
    ],
)
async def test_each_way_of_being_refused_names_its_remedy_and_nobodys_address(room, seen, recipient, error, words):
    watch, alarms, _, _ = seen
    room.outbox.reach.note(recipient, error)
    await watch.look()
    ((_, _, title, text),) = alarms.raised
    assert words in text
    assert "@example.com" not in title + text


async def test_a_channel_is_told_of_when_it_is_down_for_long_and_at_once_when_its_token_is_wrong(room, seen):
    watch, alarms, healths, clock = seen
    healths["discord"].set("disabled", "Discord refuses the bot's token. Put the token ...")
    healths["telegram"].set("degraded", "NetworkError")
    await watch.look()
    assert [title for _, _, title, _ in alarms.raised] == ["Discord is switched off"]
    clock[0] = healths["telegram"].down_ns + DOWN_NS
    await watch.look()
    assert alarms.raised[1][2].startswith("Telegram cannot be reached since 20")
    healths["telegram"].set("up")
    await watch.look()
    assert alarms.over == ["Telegram is connected again"]


async def test_somebody_who_is_not_reached_for_minutes_is_told_of_too(room, seen):
    watch, alarms, _, clock = seen
    room.outbox.attach("telegram", Filed())
    room.outbox.reach.note(GROUP, NotSent("slow mode"))
    await watch.look()
    assert alarms.raised == []
    clock[0] = room.outbox.reach.of(GROUP).failing_ns + FAILING_NS + 1
    await watch.look()
    assert alarms.raised[0][2] == "Cannot reach the Telegram chat -100"


async def test_once_an_hour_each_recipient_is_proved_by_an_edit_or_a_silent_question(room, seen):
    watch, _, _, clock = seen
    telegram, mail = Probed(), Probed()
    room.outbox.attach("telegram", telegram)
    room.outbox.attach("email", mail)
    await watch.sing()
    assert not telegram.asked, "not in the first minute: the start says hello"
    clock[0] += MINUTE_NS
    await watch.sing()
    await until(lambda: telegram.sent)
    assert sorted(telegram.asked) == sorted(f"telegram:{number}" for number in range(10, 15))
    assert mail.asked == ["email:tina@example.com"]
    await until(lambda: room.outbox.waiting() == 0)
    clock[0] += CANARY_NS + MINUTE_NS
    await watch.sing()
    await until(lambda: len(telegram.sent) == 2)
    assert telegram.sent[1][2] == "1", "the same message, changed"
    assert len(telegram.asked) == 10


async def test_a_mailbox_that_is_gone_is_found_by_the_canary_and_told(room, seen):
    watch, alarms, _, clock = seen
    mail = Probed()
    mail.error = RefusedForGood("recipient: 550 no such user")
    room.outbox.attach("email", mail)
    clock[0] += MINUTE_NS
    await watch.sing()
    await watch.look()
    assert alarms.raised[0][1:3] == (Severity.WARNING, "Cannot reach tina's e-mail")
    mail.error = None
    clock[0] += CANARY_NS + SECOND_NS
    await watch.sing()
    await watch.look()
    assert alarms.over == ["tina's e-mail is reached again"]


async def test_a_real_message_within_the_hour_proves_as_much_as_a_canary(room, seen):
    watch, _, _, clock = seen
    telegram = Probed()
    room.outbox.attach("telegram", telegram)
    await room.outbox.post("a", [TINA], HALT)
    await until(lambda: room.outbox.reach.of(TINA).ok_ns)
    clock[0] = room.outbox.reach.of(TINA).ok_ns + 2 * MINUTE_NS
    await watch.sing()
    assert TINA not in telegram.asked


@pytest.fixture
async def server():
    made = HookServer()
    await made.start()
    yield made
    await made.stop()


async def test_the_heart_beats_only_while_the_engine_takes_events_and_stores_them_and_people_can_be_told(server):
    progress, now_s, health = [1, 1], [0.0], Health()
    channels = {"telegram": Health(state="up"), "email": Health(state="up")}
    url = server.url.replace("/hook", "/elsewhere")
    heart = Heartbeat(url, 60, lambda: (progress[0], progress[1]), lambda: channels, health, lambda: now_s[0])
    async with open_client() as heart._client:
        assert not await heart.beat()
        assert health.detail == "silent on purpose: the engine takes no events"
        progress[:] = [2, 2]
        assert await heart.beat()
        assert (len(server.elsewhere), health.state) == (1, "up")
        progress[:] = [3, 2]
        assert not await heart.beat()
        assert "reaches the disk" in health.detail
        channels["telegram"].set("degraded", "x")
        progress[:] = [4, 4]
        now_s[0] += SILENT_S + 1
        assert await heart.beat(), "the mail server still works"
        channels["email"].set("disabled", "x")
        progress[:] = [5, 5]
        assert await heart.beat(), "for some minutes they may come back"
        now_s[0] += SILENT_S + 1
        progress[:] = [6, 6]
        assert not await heart.beat()
        assert "no channel has worked" in health.detail
        assert len(server.elsewhere) == 3


async def test_a_heartbeat_that_is_not_taken_is_health_and_never_follows_a_redirect(server):
    progress, health = [0], Health()

    def more():
        progress[0] += 1
        return progress[0], progress[0]

    server.faults = [HookFault(302, (("Location", "/elsewhere"),))]
    heart = Heartbeat(server.url, 60, more, dict, health)
    async with open_client() as heart._client:
        assert not await heart.beat()
        assert health.text().startswith("degraded: its URL answers 4"), "it wants POST"
        await server.stop()
        assert not await heart.beat()
        assert health.detail.startswith("its URL cannot be reached")
        assert "127.0.0.1" not in health.detail
    assert server.elsewhere == []


async def test_a_person_without_any_other_way_is_still_named(room, seen):
    watch, alarms, _, _ = seen
    room.config = replace(CONFIG, email=replace(CONFIG.email, enabled=False))
    room.outbox.reach.note("telegram:13", RefusedForGood("Forbidden: bot can't initiate conversation with a user"))
    await watch.look()
    assert alarms.raised[0][2] == "Cannot reach rolf's private Telegram chat"


async def test_what_an_earlier_run_raised_is_over_when_it_is_well_after_a_restart(room):
    await room.alerts.start()
    for name in ("telegram", "discord", "apprise"):
        await room.alerts.raise_alert(
            "channel_down", {"channel": name}, Severity.ERROR, f"{name} is off", "", lasts=True
        )
    await room.alerts.raise_alert("unreachable", {"recipient": TINA}, Severity.ERROR, "Cannot reach", "", lasts=True)
    healths = {"telegram": Health(state="up"), "discord": Health(state="degraded")}
    watch = Watch(room, room.alerts, lambda: healths)
    watch.take_up()
    room.outbox.reach.note(TINA, None)
    await watch.look()
    assert [alert.labels for alert in room.alerts.open()] == [{"channel": "discord"}]
