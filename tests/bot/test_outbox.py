"""Delivery: durable, critical first, within each chat's budget, and honest about what it does not know."""

import asyncio
import time

import pytest

from bot.budget import budget_for
from bot.carrier import NotSent, OutcomeUnknown, RefusedForGood, RetryAfter
from bot.message import Message, Text
from bot.outbox import Outbox
from bot.store import OpsStore
from domain.facts import Severity
from tests.bot.world import until

CHAT = "telegram:7"
OTHER = "telegram:8"


class Carrier:
    """A channel that answers as told: each entry of `answers` is an error to raise, or None."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.sent: list[tuple] = []

    async def deliver(self, letter, replaces_id):
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.sent.append((letter.recipient, letter.parcel.plain, replaces_id, time.monotonic()))
        return str(len(self.sent))

    def titles(self):
        return [plain.splitlines()[0] for _, plain, _, _ in self.sent]


@pytest.fixture
async def outbox(tmp_path):
    made = Outbox(OpsStore(tmp_path / "ops.db"))
    await made.store.start()
    yield made
    await made.aclose()
    await made.store.aclose()


def message(title, severity=Severity.INFO):
    return Message(title=title, blocks=(Text("text"),), severity=severity, stamp="PAPER")


async def sent(carrier, count):
    await until(lambda: len(carrier.sent) >= count)


async def test_what_is_posted_while_a_channel_is_down_is_sent_when_it_is_up(outbox):
    assert await outbox.post("a", [CHAT], message("one"))
    assert not await outbox.post("a", [CHAT], message("one")), "once per event"
    assert outbox.waiting() == 1
    carrier = Carrier()
    outbox.attach("telegram", carrier)
    await sent(carrier, 1)
    assert carrier.sent[0][1].endswith("PAPER · ref a")


async def test_what_a_killed_run_left_is_sent_by_the_next(outbox, tmp_path):
    await outbox.post("a", [CHAT], message("one"))
    other = Outbox(OpsStore(tmp_path / "ops.db"))
    await other.store.start()
    await other.start()
    carrier = Carrier()
    other.attach("telegram", carrier)
    await sent(carrier, 1)
    await until(lambda: other.waiting() == 0)
    await other.aclose()
    assert await other.store.open_letters() == []
    await other.store.aclose()


async def test_critical_letters_overtake_and_need_no_budget(outbox):
    for number in range(8):
        await outbox.post(f"i{number}", [CHAT], message(f"info {number}"))
    await outbox.post("c", [CHAT], message("halt", Severity.CRITICAL))
    carrier = Carrier()
    outbox.attach("telegram", carrier)
    await sent(carrier, 3)
    assert carrier.titles()[0] == "🚨 halt"
    assert carrier.titles()[1:3] == ["info 0", "info 1"]


async def test_a_chats_budget_holds_letters_back(outbox):
    carrier = Carrier()
    outbox.attach("telegram", carrier)
    for number in range(60):
        await outbox.post(f"i{number}", [CHAT], message(f"info {number}"))
    await sent(carrier, 4)
    await asyncio.sleep(0.1)
    assert len(carrier.sent) < 30, "four at once, then one a second"


def test_a_group_gets_fewer_than_twenty_a_minute():
    budget = budget_for("telegram:-100")
    budget.then_s = now_s = 0.0
    count = 0
    while now_s < 60:
        wait_s = budget.wait_s(now_s)
        count += wait_s == 0
        now_s += max(wait_s, 0.001)
    assert count <= 20


async def test_retry_after_holds_its_chat_and_no_other(outbox):
    carrier = Carrier(RetryAfter(3600))
    outbox.attach("telegram", carrier)
    await outbox.post("a", [CHAT], message("slow"))
    await until(lambda: not carrier.answers)
    await outbox.post("b", [OTHER], message("fast"))
    await sent(carrier, 1)
    assert [recipient for recipient, _, _, _ in carrier.sent] == [OTHER]
    await until(lambda: outbox.waiting() == 1)


async def test_after_the_wait_that_a_server_asked_for_the_letter_goes_again(outbox):
    carrier = Carrier(RetryAfter(0.3))
    outbox.attach("telegram", carrier)
    began = time.monotonic()
    await outbox.post("a", [CHAT], message("slow"))
    await sent(carrier, 1)
    assert carrier.sent[0][3] - began >= 0.3


async def test_an_unknown_outcome_is_sent_again_and_says_so(outbox):
    carrier = Carrier(OutcomeUnknown("time-out"), NotSent("no route"))
    outbox.attach("telegram", carrier)
    await outbox.post("order 5", [CHAT], message("filled"))
    await sent(carrier, 1)
    text = carrier.sent[0][1]
    assert text.startswith("(sent again, it may have arrived before)\nfilled")
    assert "ref order 5" in text


async def test_a_refused_letter_is_given_up_and_the_next_is_sent(outbox):
    carrier = Carrier(RefusedForGood("chat not found"), ValueError("a bug"))
    outbox.attach("telegram", carrier)
    for name in "abc":
        await outbox.post(name, [CHAT], message(name))
    await sent(carrier, 1)
    assert carrier.titles() == ["c"]
    assert await outbox.store.open_letters() == []


async def test_an_edit_names_the_message_it_replaces(outbox):
    carrier = Carrier()
    outbox.attach("telegram", carrier)
    await outbox.post("card", [CHAT], message("open"))
    await sent(carrier, 1)
    await until(lambda: outbox.waiting() == 0)
    await outbox.post("card:approved", [CHAT], message("approved"), replaces="card")
    await sent(carrier, 2)
    assert carrier.sent[1][2] == "1"


async def test_an_old_letter_says_from_when_it_is(outbox):
    letters = outbox.letters("a", [CHAT], message("one"))
    for letter in letters:
        letter.created_ns -= 3_600_000_000_000
    outbox.accept(await outbox.store.queue(letters))
    carrier = Carrier()
    outbox.attach("telegram", carrier)
    await sent(carrier, 1)
    assert carrier.sent[0][1].startswith("(late, from ")


async def test_while_the_disk_refuses_writes_letters_are_sent_from_memory(outbox):
    await outbox.store.aclose()
    outbox.store = OpsStore(outbox.store.path)  # never started: every write fails
    carrier = Carrier()
    outbox.attach("telegram", carrier)
    assert await outbox.post("a", [CHAT], message("halted", Severity.CRITICAL))
    await sent(carrier, 1)


async def test_of_edits_that_wait_only_the_newest_is_sent(outbox, tmp_path):
    await outbox.post("card", [CHAT], message("first"))
    for number in range(50):
        await outbox.post(f"card:{number}", [CHAT], message(f"edit {number}"), replaces="card")
        await outbox.post(f"other:{number}", [OTHER], message(f"other {number}"), replaces="other")
    await outbox.post("news", [CHAT], message("news"))
    assert outbox.waiting() == 4
    carrier = Carrier()
    outbox.attach("telegram", carrier)
    await sent(carrier, 4)
    assert sorted(carrier.titles()) == ["edit 49", "first", "news", "other 49"]
    again = Outbox(OpsStore(tmp_path / "ops.db"))
    await again.store.start()
    await until(lambda: outbox.waiting() == 0)
    await again.start()
    assert again.waiting() == 0, "a restart does not send what was superseded"
    await again.store.aclose()


async def test_an_edit_that_may_have_arrived_is_repeated_before_the_newer_one(outbox):
    carrier = Carrier(None, OutcomeUnknown("time-out"))
    outbox.attach("telegram", carrier)
    await outbox.post("card", [CHAT], message("first"))
    await sent(carrier, 1)
    await outbox.post("card:1", [CHAT], message("edit 1"), replaces="card")
    await until(lambda: not carrier.answers)
    await outbox.post("card:2", [CHAT], message("edit 2"), replaces="card")
    await sent(carrier, 3)
    assert carrier.titles()[-1] == "edit 2"


async def test_after_a_message_was_sent_anew_edits_go_to_the_new_one(outbox):
    carrier = Carrier()
    outbox.attach("telegram", carrier)
    await outbox.post("card", [CHAT], message("first"))
    await sent(carrier, 1)
    await outbox.post("card:1", [CHAT], message("sent anew"), replaces="card")  # this carrier gives every letter an id
    await sent(carrier, 2)
    await until(lambda: outbox.waiting() == 0)
    await outbox.post("card:2", [CHAT], message("edit"), replaces="card")
    await sent(carrier, 3)
    assert [replaced for _, _, replaced, _ in carrier.sent] == ["", "1", "2"]


async def test_a_letter_that_cannot_be_read_is_given_up_and_those_behind_it_are_sent(outbox, tmp_path):
    await outbox.post("old", [CHAT], message("of another build"))
    await outbox.post("new", [CHAT], message("news"))
    await outbox.store.run(lambda: outbox.store.db.execute("update outbox set parcel = x'c1' where event = 'old'"))
    await outbox.store.run(outbox.store.db.commit)
    again = Outbox(outbox.store)
    await again.start()
    carrier = Carrier()
    again.attach("telegram", carrier)
    await sent(carrier, 1)
    await until(lambda: again.waiting() == 0)
    assert carrier.titles() == ["news"]
    (row,) = await outbox.store.run(
        lambda: list(outbox.store.db.execute("select state, note from outbox where event = 'old'"))
    )
    assert row == ("dead", "it cannot be read")
    await again.aclose()


async def test_an_edit_that_is_superseded_as_it_goes_out_stays_so(outbox):
    (first,) = outbox.letters("card:1", [CHAT], message("edit 1"), "card")
    await outbox.store.queue([first])
    await outbox.store.queue(outbox.letters("card:2", [CHAT], message("edit 2"), "card"))
    await outbox.store.mark(first, "unknown")
    (left,) = await outbox.store.open_letters()
    assert left.event == "card:2"
