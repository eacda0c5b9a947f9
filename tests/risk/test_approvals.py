"""Quorum rules as pure functions, over every team."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.settings import ApprovalSettings, Person, RoleName
from domain.verdict import Reason
from risk.approvals import first_votes, may_vote, reachable

ANN = Person(id="ann", name="Ann", role=RoleName.ADMIN)
BOB = Person(id="bob", name="Bob", role=RoleName.RISK)
DOT = Person(id="dot", name="Dot", role=RoleName.TRADER)
STRICT, COUNTING = ApprovalSettings(), ApprovalSettings(requester_counts=True)
TEAMS = st.lists(
    st.builds(Person, id=st.sampled_from("abcdef"), name=st.just("x"), role=st.sampled_from(list(RoleName))),
    max_size=6,
    unique_by=lambda person: person.id,
)


@pytest.mark.parametrize(
    ("person", "requester", "votes", "needed", "settings", "expected"),
    [
        (BOB, "ann", [], 2, STRICT, None),
        (None, "ann", [], 2, STRICT, Reason.UNKNOWN_PERSON),
        (DOT, "ann", [], 2, STRICT, Reason.ROLE),
        (BOB, "bob", [], 2, STRICT, Reason.OWN_REQUEST),
        (BOB, "bob", [], 2, COUNTING, None),
        (BOB, "bob", [], 1, COUNTING, Reason.OWN_REQUEST),
        (BOB, "ann", ["bob"], 2, STRICT, Reason.ALREADY_VOTED),
        (BOB, "", [], 1, STRICT, None),
        (DOT, "ann", [], 2, ApprovalSettings(approver_role=RoleName.TRADER), None),
    ],
)
def test_whose_vote_counts(person, requester, votes, needed, settings, expected) -> None:
    found = may_vote(person, requester=requester, votes=votes, votes_needed=needed, settings=settings)
    assert found is expected


def test_the_requesters_own_vote_is_counted_only_where_it_may_and_another_is_needed() -> None:
    assert first_votes(BOB, votes_needed=2, settings=COUNTING) == ["bob"]
    assert first_votes(BOB, votes_needed=1, settings=COUNTING) == []
    assert first_votes(BOB, votes_needed=2, settings=STRICT) == []
    assert first_votes(DOT, votes_needed=2, settings=COUNTING) == []
    assert first_votes(None, votes_needed=2, settings=COUNTING) == []


def vote_by_all(team: list[Person], requester: str, needed: int, settings: ApprovalSettings) -> list[str]:
    """Votes after everybody has tried."""
    asking = next((person for person in team if person.id == requester), None)
    votes = first_votes(asking, votes_needed=needed, settings=settings)
    for person in team:
        objection = may_vote(person, requester=requester, votes=votes, votes_needed=needed, settings=settings)
        if len(votes) < needed and objection is None:
            votes.append(person.id)
    return votes


@given(TEAMS, st.sampled_from("abcdefg"), st.integers(1, 4), st.booleans())
def test_a_quorum_is_called_reachable_exactly_when_the_team_can_reach_it(
    team: list[Person], requester: str, needed: int, counts: bool
) -> None:
    settings = ApprovalSettings(requester_counts=counts)
    votes = vote_by_all(team, requester, needed, settings)
    said = reachable(team, requester=requester, votes_needed=needed, settings=settings)
    assert said == (len(votes) >= needed)


@given(TEAMS, st.sampled_from("abcdefg"), st.integers(1, 4), st.booleans())
def test_no_team_reaches_a_quorum_with_one_person_twice_or_below_the_role(
    team: list[Person], requester: str, needed: int, counts: bool
) -> None:
    votes = vote_by_all(team, requester, needed, ApprovalSettings(requester_counts=counts))
    roles = {person.id: person.role for person in team}
    assert len(set(votes)) == len(votes)
    assert all(roles[name] >= RoleName.RISK for name in votes)
    assert (counts and needed > 1) or requester not in votes
