"""Ten thousand alerts in a minute: the critical ones first, nobody flooded, nothing lost, memory bounded."""

import asyncio
import re
import time

import pytest

from bot import store_letters
from bot.budget import Budget, budget_for, channel_budget
from bot.carrier import NotSent, OutcomeUnknown, RetryAfter
from bot.line import WINDOW
from bot.message import Button, Message
from bot.outbox import Outbox
from bot.store import OpsStore
from domain.facts import Severity
from tests.bot.test_outbox import Carrier, message, sent
from tests.bot.world import until

GROUP = "telegram:-100"


class Filed(Carrier):
    """As `Carrier`, and keeps everything that people could read, files included."""

    def __init__(self, *answers) -> None:
        super().__init__(*answers)
        self.read = ""
        self.events: list[str] = []

    async def deliver(self, letter, replaces_id):
        sent_id = await super().deliver(letter, replaces_id)
        self.read += letter.parcel.plain + letter.parcel.file_text
        self.events.append(letter.event)
        return sent_id


@pytest.fixture
def slow(monkeypatch):
    """A chat that takes five messages a second: also a busy machine sends sooner than it may."""
    budget = lambda recipient: Budget(per_s=5.0, burst=10.0, tokens=10.0, then_s=time.monotonic())  # noqa: E731
    monkeypatch.setattr("bot.outbox.budget_for", budget)


@pytest.fixture
async def outbox(tmp_path, monkeypatch):
    """A chat that takes 100 messages a second and ten at once."""
    quick = lambda recipient: Budget(per_s=100.0, burst=10.0, tokens=10.0, then_s=time.monotonic())  # noqa: E731
    monkeypatch.setattr("bot.outbox.budget_for", quick)
    made = Outbox(OpsStore(tmp_path / "ops.db"))
    await made.store.start()
    yield made
    await made.aclose()
    await made.store.aclose()


async def test_ten_thousand_alerts_at_once_are_a_few_messages_with_everything_in_them(outbox, slow):
    carrier = Filed()
    outbox.attach("telegram", carrier)
    for first in range(0, 10_000, 500):
        numbers = range(first, first + 500)
        letters = [one for n in numbers for one in outbox.letters(f"a{n}", [GROUP], message(f"alert {n} is here"))]
        await outbox.queue(letters)
        await outbox.post(f"c{first}", [GROUP], message(f"critical {first}", Severity.CRITICAL))
        line = outbox._lines[GROUP]
        assert len(line._heap) <= 2 * WINDOW
    await until(lambda: outbox.waiting() == 0)
    assert len(carrier.sent) < 120, "nobody is flooded"
    told = set(re.findall(r"alert (\d+) is here", carrier.read))
    assert told == {str(number) for number in range(10_000)}
    critical = [event for event in carrier.events if event.startswith("c")]
    assert critical == [f"c{first}" for first in range(0, 10_000, 500)], "each by itself, in order"
    assert await outbox.store.open_letters() == []


async def test_what_was_bundled_is_the_same_after_a_restart(outbox, tmp_path):
    await outbox.queue([one for n in range(300) for one in outbox.letters(f"a{n}", [GROUP], message(f"alert {n};"))])
    other = Outbox(OpsStore(tmp_path / "ops.db"))
    await other.store.start()
    await other.start()
    assert other.waiting() == 300
    carrier = Filed()
    other.attach("telegram", carrier)
    await until(lambda: other.waiting() == 0)
    assert set(re.findall(r"alert (\d+);", carrier.read)) == {str(number) for number in range(300)}
    assert carrier.events[:10] == [f"a{n}" for n in range(10)]
    await other.aclose()
    await other.store.aclose()


async def test_a_card_with_buttons_an_edit_and_a_secret_are_never_put_into_a_file(outbox, slow):
    await outbox.queue([one for n in range(100) for one in outbox.letters(f"a{n}", [GROUP], message(f"alert {n}"))])
    await outbox.post("card", [GROUP], Message(title="Approve?", buttons=(Button("Yes", "ap:1"),)))
    await outbox.post("edit", [GROUP], message("edited"), replaces="a0")
    await outbox.post("code", [GROUP], Message(title="123456", is_secret=True))
    carrier = Filed()
    outbox.attach("telegram", carrier)
    await until(lambda: outbox.waiting() == 0)
    assert {"card", "edit", "code"} <= set(carrier.events)
    assert any(event.startswith("bundle:") for event in carrier.events)


async def test_a_bundle_says_what_was_worst_and_how_often(outbox, slow):
    letters = [one for n in range(60) for one in outbox.letters(f"a{n}", [GROUP], message("feed is old"))]
    letters += outbox.letters("e", [GROUP], message("order refused", Severity.ERROR))
    await outbox.queue(letters)
    carrier = Filed()
    outbox.attach("telegram", carrier)
    await until(lambda: outbox.waiting() == 0)
    text = next(plain for _, plain, _, _ in carrier.sent if "messages at once" in plain)
    assert text.startswith(f"❗ {60 - 9} messages at once") or "❗ order refused" in carrier.read
    assert re.search(r"feed is old \(\d+\)", text)


async def test_a_program_gets_every_message_by_itself(outbox):
    await outbox.queue([one for n in range(60) for one in outbox.letters(f"a{n}", ["hook:p"], message(f"alert {n}"))])
    carrier = Filed()
    outbox.attach("hook", carrier)
    await sent(carrier, 60)
    assert carrier.events == [f"a{n}" for n in range(60)]


async def test_critical_ones_do_not_wait_for_a_chat_that_is_out_of_budget(outbox):
    outbox._lines.clear()
    carrier = Filed()
    outbox.attach("telegram", carrier)
    await outbox.queue([one for n in range(15) for one in outbox.letters(f"a{n}", [GROUP], message(f"alert {n}"))])
    line = outbox._lines[GROUP]
    line.budget = Budget(per_s=0.001, burst=10.0, tokens=0.0, then_s=time.monotonic())
    await asyncio.sleep(0)
    await outbox.post("c", [GROUP], message("halt", Severity.CRITICAL))
    await until(lambda: "c" in carrier.events)  # what waits for this budget waits for a quarter of an hour


async def test_while_a_server_asks_to_wait_the_critical_one_waits_too_and_is_first_then(outbox):
    carrier = Filed(RetryAfter(0.3))
    outbox.attach("telegram", carrier)
    began = time.monotonic()
    await outbox.post("a", [GROUP], message("news"))
    await until(lambda: not carrier.answers)
    await outbox.post("c", [GROUP], message("halt", Severity.CRITICAL))
    await sent(carrier, 2)
    assert carrier.events == ["c", "a"]
    assert carrier.sent[0][3] - began >= 0.3


async def test_one_letter_that_its_server_cannot_take_does_not_hold_up_the_others(outbox, monkeypatch):
    monkeypatch.setattr("bot.outbox.MAX_BACKOFF_S", 0.001)

    class Poisoned(Filed):
        async def deliver(self, letter, replaces_id):
            if letter.event == "poison":
                raise OutcomeUnknown("500")
            return await super().deliver(letter, replaces_id)

    carrier = Poisoned()
    outbox.attach("telegram", carrier)
    await outbox.post("poison", [GROUP], message("poison"))
    await until(lambda: outbox._lines[GROUP].first is not None or outbox._in_delivery)
    await outbox.post("other chat", ["telegram:8"], message("works"))
    await outbox.post("behind", [GROUP], message("behind"))
    await until(lambda: "behind" in carrier.events)
    await until(lambda: outbox.waiting() == 1)  # it is kept, and tried again later


async def test_letters_that_the_disk_refuses_are_bounded_in_memory_and_what_is_lost_is_said(outbox, monkeypatch):
    monkeypatch.setattr("bot.line.MOST_UNSTORED", 5)
    await outbox.store.aclose()
    outbox.store = OpsStore(outbox.store.path)
    for number in range(8):
        await outbox.post(f"a{number}", [GROUP], message(f"alert {number}"))
    await outbox.post("c", [GROUP], message("halt", Severity.CRITICAL))
    assert (outbox.waiting(), outbox.lost) == (6, 3)
    carrier = Filed()
    outbox.attach("telegram", carrier)
    await sent(carrier, 6)
    assert carrier.events[0] == "c"


async def test_the_connections_of_a_channel_are_not_all_taken_by_what_can_wait(outbox):
    class Slow(Filed):
        async def deliver(self, letter, replaces_id):
            if letter.priority:
                await asyncio.sleep(3600)
            return await super().deliver(letter, replaces_id)

    carrier = Slow()
    outbox.attach("telegram", carrier)
    for chat in range(20):
        await outbox.post("a", [f"telegram:{chat + 1}"], message("slow"))
    await outbox.post("c", ["telegram:99"], message("halt", Severity.CRITICAL))
    await sent(carrier, 1)
    assert carrier.events == ["c"]


async def test_a_lost_connection_is_not_waited_out_by_what_is_critical(outbox, monkeypatch):
    monkeypatch.setattr("bot.outbox.FIRST_BACKOFF_S", 1_000.0)
    monkeypatch.setattr("bot.outbox.MAX_BACKOFF_S", 1_000.0)
    carrier = Filed(NotSent("no route"))
    outbox.attach("telegram", carrier)
    await outbox.post("a", [GROUP], message("news"))
    await until(lambda: not carrier.answers)
    await outbox.post("c", [GROUP], message("halt", Severity.CRITICAL))
    await until(lambda: carrier.events[:1] == ["c"])


def test_telegram_as_a_whole_gets_fewer_than_thirty_a_second():
    budget = channel_budget("telegram")
    assert budget is not None
    budget.then_s = now_s = 0.0
    count = 0
    while now_s < 10:
        wait_s = budget.wait_s(now_s)
        count += wait_s == 0
        now_s += max(wait_s, 0.0001)
    assert count <= 30 * 10
    assert channel_budget("email") is None


def test_a_group_that_gets_only_critical_ones_is_overdrawn_once_and_then_pays_back():
    budget = budget_for(GROUP)
    budget.then_s = now_s = 0.0
    count = 0
    while now_s < 60:
        wait_s = budget.wait_s(now_s, urgent=True)
        count += wait_s == 0
        now_s += max(wait_s, 0.001)
    assert count <= 30
    assert budget.wait_s(now_s) > 50, "what is not critical waits for it"


@pytest.mark.parametrize(
    ("severity", "is_read_first"),
    [(Severity.INFO, True), (Severity.CRITICAL, False)],
    ids=["behind what was read", "already in what is read"],
)
async def test_what_is_queued_while_the_disk_is_asked_is_sent_once(outbox, monkeypatch, severity, is_read_first):
    monkeypatch.setattr("bot.line.WINDOW", 2)
    carrier = Filed()
    for number in range(3):
        await outbox.post(f"a{number}", [GROUP], message(f"alert {number}"))
    read = store_letters.next_letters
    posted: list[bool] = []

    async def asked(*values):
        found = await read(*values) if is_read_first else None
        if not posted:
            posted.append(await outbox.post("late", [GROUP], message("late", severity)))
        return found or await read(*values)

    monkeypatch.setattr(store_letters, "next_letters", asked)
    outbox.attach("telegram", carrier)
    await until(lambda: outbox.waiting() == 0)
    assert posted == [True]
    assert sorted(carrier.events) == ["a0", "a1", "a2", "late"]
    assert await outbox.store.open_letters() == []
