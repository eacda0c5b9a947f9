"""Rule 2: client ids are derived from the journal, unique, and stable under replay."""

from __future__ import annotations

import pytest

from domain import events as e
from domain.order import OrderStatus, Query, derive_client_id
from engine.core.core import Core
from engine.core.recovery import replay
from engine.core.state import State
from tests.engine.core.rig import Rig, of, places, quote, target, wants


def test_the_id_of_an_order_names_installation_epoch_event_and_number() -> None:
    rig = Rig().start()
    first, second = places(rig.want(wants(quote(1, 59_990.0), quote(-1, 60_010.0))))
    seq = rig.kernel.seq - 1  # the decision is recorded behind the event
    assert first.cid == derive_client_id("rig", 1, seq, 1)
    assert second.cid == derive_client_id("rig", 1, seq, 2)


def test_a_replay_derives_the_same_ids() -> None:
    rig = Rig().start()
    placed = [place.cid for place in places(rig.want(wants(quote(1, 59_990.0), quote(-1, 60_010.0))))]
    core = Core(State())
    emitted: list[str] = []
    replay(
        rig.journal.records(),
        core,
        with_code=False,
        each=lambda _, now: emitted.extend(place.cid for place in places(now.intents)),
    )
    assert emitted == placed


def test_ids_of_two_runs_never_meet() -> None:
    rig = Rig().start()
    (before,) = places(rig.want(wants(target(0.5))))
    rig.crash()
    rig.snapshot()
    rig.wait(10)
    rig.ingest(e.OrderReport(cid=before.cid, found=False))
    after = places(rig.sent)
    assert rig.order(before.cid).status is OrderStatus.ABSENT
    assert after
    assert before.cid not in [place.cid for place in after]
    assert after[0].cid.split("-")[1] == "2"


def test_after_a_crash_an_order_whose_answer_was_lost_is_asked_about_by_its_id() -> None:
    rig = Rig().start()
    (before,) = places(rig.want(wants(target(0.5))))
    rig.crash()
    assert [query.cid for query in of(rig.sent, Query)] == [before.cid]
    assert places(rig.sent) == []
    assert rig.order(before.cid).status is OrderStatus.UNKNOWN


def test_with_random_ids_the_order_of_a_crashed_run_would_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation: what replay derives is no longer what the venue was sent, so nobody asks about it."""
    numbers = iter(range(1_000_000))
    monkeypatch.setattr(Core, "next_client_id", lambda core: f"random-{next(numbers)}")
    rig = Rig().start()
    (before,) = places(rig.want(wants(target(0.5))))
    rig.crash()
    assert before.cid not in [query.cid for query in of(rig.sent, Query)]
