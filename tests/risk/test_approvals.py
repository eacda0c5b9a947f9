"""Quorum rules as pure functions, over every team."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.settings import ApprovalSettings, Person, RoleName
from domain.verdict import Reason
from risk.approvals import first_votes, may_vote, reachable, stricter, terms_of, unreachable

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
    found = may_vote(person, requester=requester, votes=votes, terms=terms_of(settings, needed))
    assert found is expected


def test_the_requesters_own_vote_is_counted_only_where_it_may_and_another_is_needed() -> None:
    assert first_votes(BOB, terms_of(COUNTING, 2)) == ["bob"]
    assert first_votes(BOB, terms_of(COUNTING, 1)) == []
    assert first_votes(BOB, terms_of(STRICT, 2)) == []
    assert first_votes(DOT, terms_of(COUNTING, 2)) == []
    assert first_votes(None, terms_of(COUNTING, 2)) == []


def vote_by_all(team: list[Person], requester: str, needed: int, settings: ApprovalSettings) -> list[str]:
    """Votes after everybody has tried."""
    asking = next((person for person in team if person.id == requester), None)
    votes = first_votes(asking, terms_of(settings, needed))
    for person in team:
        objection = may_vote(person, requester=requester, votes=votes, terms=terms_of(settings, needed))
        if len(votes) < needed and objection is None:
            votes.append(person.id)
    return votes


@given(TEAMS, st.sampled_from("abcdefg"), st.integers(1, 4), st.booleans())
def test_a_quorum_is_called_reachable_exactly_when_the_team_can_reach_it(
    team: list[Person], requester: str, needed: int, counts: bool
) -> None:
    settings = ApprovalSettings(requester_counts=counts)
    votes = vote_by_all(team, requester, needed, settings)
    said = reachable(team, requester=requester, terms=terms_of(settings, needed))
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


@given(TEAMS, st.sampled_from("abcdefg"), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.booleans())
def test_when_the_rules_change_meanwhile_the_stricter_of_both_are_kept(
    team: list[Person], requester: str, then: int, now: int, counted: bool, counts: bool
) -> None:
    before = terms_of(ApprovalSettings(requester_counts=counted), then)
    after = terms_of(ApprovalSettings(requester_counts=counts, approver_role=RoleName.ADMIN), now)
    both = stricter(before, after)
    assert both.votes == max(then, now)
    for person in team:
        under_both = may_vote(person, requester=requester, votes=[], terms=both) is None
        under_each = [may_vote(person, requester=requester, votes=[], terms=one) is None for one in (before, after)]
        assert under_both == all(under_each)


@given(TEAMS.filter(len), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_a_quorum_is_refused_when_it_is_configured_exactly_when_somebody_could_ask_in_vain(
    team: list[Person], order_votes: int, override_votes: int, counts: bool
) -> None:
    settings = ApprovalSettings(order_votes=order_votes, override_votes=override_votes, requester_counts=counts)
    found = dict(unreachable(team, settings))
    for key, votes in (("order_votes", order_votes), ("override_votes", override_votes)):
        fine = all(reachable(team, requester=p.id, terms=terms_of(settings, votes)) for p in team)
        assert fine == (key not in found)


def test_what_would_fix_an_unreachable_quorum_is_named() -> None:
    ((key, text),) = unreachable([ANN, BOB, DOT], STRICT)
    assert key == "override_votes"
    assert "2 vote(s) of role risk or higher besides the requester can never be reached, there are 1" in text
    assert "give 1 more person(s) the role risk" in text
    assert "approvals.requester_counts: true" in text
    assert "approvals.override_votes: 1" in text
    assert unreachable([ANN, BOB, DOT], COUNTING) == []
