"""What is large in sum is large: slices, new names and votes for something else give nobody a fresh allowance."""

from __future__ import annotations

from domain import commands as c
from tests.engine.core.rig import ACCOUNT, BTC, ETH, SUB, places, target, wants
from tests.engine.core.test_parking import asking, by_hand, pending


def test_new_names_for_the_entry_do_not_add_up_to_something_large_without_a_vote() -> None:
    rig = asking()
    for step in (1, 2):
        (place,) = places(rig.want(wants(target(0.4 * step, f"e{step}"))))
        rig.accept(place)
        rig.fill(place)
    assert rig.want(wants(target(1.2, "e3"))) == []
    assert len(pending(rig)) == 1


def test_going_in_and_out_again_is_not_something_large() -> None:
    rig = asking()
    for turn in range(4):
        for qty in (0.7, 0.0):
            (place,) = places(rig.want(wants(target(qty, f"e{turn}"))))
            rig.accept(place)
            rig.fill(place)
    assert pending(rig) == []


def test_a_vote_for_one_order_gives_no_new_allowance_for_the_next() -> None:
    rig = asking()
    rig.touch()
    assert rig.command(by_hand("0.8"), "dot").ok
    assert rig.command(by_hand("0.1"), "dot").request == "R1"
    assert rig.command(c.Approve(request="R1"), "bob").ok
    assert rig.command(by_hand("0.5"), "dot").request == "R2"


def test_a_persons_order_sliced_over_instruments_and_accounts_waits_once_the_slices_are_large() -> None:
    rig = asking()
    rig.touch()
    rig.touch(300_000, 300_010, ETH.id)
    answers = [
        rig.command(by_hand(qty, account, instrument), "dot").text
        for qty, account, instrument in (
            ("0.8", SUB, BTC.id),  # 48,000, of 5 % of two millions in all
            ("15", ACCOUNT, ETH.id),  # 45,000
            ("6", SUB, ETH.id),  # 18,000
        )
    ]
    assert [answer.split()[0] for answer in answers] == ["Working:", "Working:", "Request"]
    rig.command(c.Deny(request="R1", reason="enough"), "bob")
    rig.wait(601)
    rig.touch()
    rig.touch(300_000, 300_010, ETH.id)
    assert "Working" in rig.command(by_hand("6", SUB, ETH.id), "dot").text
