"""Keys that make a repetition harmless: over restarts, over a day, with the database away, with callers that leave."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from domain.access import AccessLost
from domain.answer import Answer, BadArgument
from domain.settings import DAY_NS
from gateway.access.access import Access
from gateway.access.answers import StoredAnswers
from gateway.access.database import open_file
from gateway.idempotency import Once, fingerprint
from gateway.refused import Refused
from gateway.source import SourceLost

PRINT = fingerprint("/api/v1/verbs/halt", b"{}")


class Verb:
    """Something that is done, and counts how often."""

    def __init__(self, *ends: Exception | Answer) -> None:
        self.ids: list[str] = []
        self.began, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self._ends = iter(ends)

    async def __call__(self, request_id: str) -> Answer:
        self.ids.append(request_id)
        self.began.set()
        await self.gate.wait()
        end = next(self._ends, Answer(ok=True, text=f"done {len(self.ids)}", message=b'{"a":1}'))
        if isinstance(end, Exception):
            raise end
        return end


class Clock:
    ns = 1_790_000_000 * 10**9

    def __call__(self) -> int:
        return self.ns


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


def opened(folder: Path, clock: Clock | None = None) -> Access:
    database = open_file(folder)
    return Access(lambda: database, now_ns=clock or Clock())


async def test_the_first_answer_outlives_the_process(tmp_path: Path):
    verb = Verb()
    for is_second in (False, True, True):
        access = opened(tmp_path)
        answer, is_replayed = await Once(StoredAnswers(access)).run("token:T1", "k", PRINT, verb)
        access.close()
        assert (answer.text, answer.message, is_replayed) == ("done 1", b'{"a":1}', is_second)
    assert verb.ids == ["api:token:T1:k"]


async def test_after_a_day_a_key_is_new_again(tmp_path: Path):
    clock, verb = Clock(), Verb()
    once = Once(StoredAnswers(opened(tmp_path, clock)))
    await once.run("T1", "k", PRINT, verb)
    clock.ns += DAY_NS + 1
    _, is_replayed = await once.run("T1", "k", fingerprint("/other", b""), verb)
    assert (is_replayed, len(verb.ids)) == (False, 2)


async def test_what_was_lost_on_the_way_is_asked_again_under_the_same_request_id(tmp_path: Path):
    once, verb = Once(StoredAnswers(opened(tmp_path))), Verb(SourceLost("gone"))
    with pytest.raises(SourceLost):
        await once.run("T1", "k", PRINT, verb)
    with pytest.raises(Refused, match="another request"):
        await once.run("T1", "k", fingerprint("/other", b""), verb)
    answer, is_replayed = await once.run("T1", "k", PRINT, verb)
    assert (answer.ok, is_replayed, verb.ids) == (True, False, ["api:T1:k"] * 2)


async def test_what_could_not_be_right_leaves_no_trace(tmp_path: Path):
    once, verb = Once(StoredAnswers(opened(tmp_path))), Verb(BadArgument("no"))
    with pytest.raises(BadArgument):
        await once.run("T1", "k", PRINT, verb)
    await once.run("T1", "k", fingerprint("/other", b""), verb)
    assert len(verb.ids) == 2


async def test_a_caller_that_leaves_takes_nobodys_answer_along(tmp_path: Path):
    once, verb = Once(StoredAnswers(opened(tmp_path))), Verb()
    verb.gate.clear()
    first = asyncio.create_task(once.run("T1", "k", PRINT, verb))
    await verb.began.wait()
    second = asyncio.create_task(once.run("T1", "k", PRINT, verb))
    with pytest.raises(Refused):
        await once.run("T1", "k", fingerprint("/other", b""), verb)
    first.cancel()
    verb.gate.set()
    answer, is_replayed = await second
    assert (answer.text, is_replayed, len(verb.ids)) == ("done 1", True, 1)


async def test_with_the_database_away_only_what_lowers_risk_is_done(tmp_path: Path):
    gone = create_engine(f"sqlite:///{tmp_path / 'nowhere' / 'access.db'}")
    once, verb = Once(StoredAnswers(Access(lambda: gone))), Verb()
    with pytest.raises(AccessLost):
        await once.run("T1", "k2", PRINT, verb)
    answer, _ = await once.run("T1", "k2", PRINT, verb, effect="lowers")
    assert (answer.ok, verb.ids[-1]) == (True, "api:T1:k2")


async def test_an_answer_that_cannot_be_kept_is_told_all_the_same(tmp_path: Path):
    database = open_file(tmp_path)
    there = [database, create_engine(f"sqlite:///{tmp_path / 'nowhere' / 'access.db'}")]
    access = Access(lambda: there[0])
    once = Once(StoredAnswers(access))

    async def run(request_id: str) -> Answer:
        access._engine = there[1]
        return Answer(ok=True, text=request_id)

    answer, _ = await once.run("T1", "k", PRINT, run)
    assert answer.text == "api:T1:k"
    access._engine = database
    again, is_replayed = await once.run("T1", "k", PRINT, Verb())
    assert (again.ok, is_replayed) == (True, False)


async def test_an_answer_with_a_code_is_not_written_anywhere(tmp_path: Path):
    once = Once(StoredAnswers(opened(tmp_path)))
    secret = Answer(ok=True, text="your code is QXJ7-WOMBAT", is_secret=True)
    first, _ = await once.run("T1", "k", PRINT, Verb(secret))
    assert first == secret
    second, _ = await once.run("T1", "k", PRINT, Verb())
    assert "not kept" in second.text
    assert b"WOMBAT" not in on_disk(tmp_path)


async def test_without_a_key_everything_is_a_request_of_its_own(tmp_path: Path):
    once, verb = Once(StoredAnswers(opened(tmp_path))), Verb()
    for _ in range(2):
        await once.run("T1", None, PRINT, verb)
    assert len(set(verb.ids)) == 2


async def test_what_only_looks_is_looked_at_anew_and_leaves_nothing_behind(tmp_path: Path):
    gone = create_engine(f"sqlite:///{tmp_path / 'nowhere' / 'access.db'}")
    once, verb = Once(StoredAnswers(Access(lambda: gone))), Verb()
    for number in (1, 2):
        answer, is_replayed = await once.run("T1", "k", PRINT, verb, effect="reads")
        assert (answer.text, is_replayed) == (f"done {number}", False)
    assert verb.ids == ["api:T1:k"] * 2


async def test_a_caller_gone_wild_keeps_its_newest_keys_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.access.answers.MOST_OF_ONE", 3)
    monkeypatch.setattr("gateway.access.answers.LOOK_EVERY", 1)
    clock, verb = Clock(), Verb()
    once = Once(StoredAnswers(opened(tmp_path, clock)))
    await once.run("T2", "k0", PRINT, verb)
    for number in range(6):
        clock.ns += 1
        await once.run("T1", f"k{number}", PRINT, verb)
    done = len(verb.ids)
    for caller, key in (("T1", "k3"), ("T1", "k5"), ("T2", "k0")):
        assert (await once.run(caller, key, PRINT, verb))[1]
    assert len(verb.ids) == done
    assert not (await once.run("T1", "k0", PRINT, verb))[1]


async def test_of_a_very_long_answer_the_text_is_kept(tmp_path: Path):
    once = Once(StoredAnswers(opened(tmp_path)))
    long = Answer(ok=True, text="a chart", message=b'"' + b"x" * 100_000 + b'"')
    await once.run("T1", "k", PRINT, Verb(long))
    answer, is_replayed = await once.run("T1", "k", PRINT, Verb())
    assert (answer.text, is_replayed, b"a chart" in answer.message) == ("a chart", True, True)
