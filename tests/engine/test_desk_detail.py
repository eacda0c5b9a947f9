"""What screens show in full: limits with what they are from, requests with their voters, settings, parameters."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain import commands as c
from domain.commands import Door
from domain.detail_views import LimitView, RequestDetail
from domain.record_views import AuditQuery
from tests.bot.world import BTC, Engine, actor, order


@pytest.fixture
def engine() -> Engine:
    return Engine()


def limit(engine: Engine, rule: str) -> LimitView:
    return next(row for row in engine.desk.detail.limits() if row.rule == rule)


def request(engine: Engine, request_id: str = "R1") -> RequestDetail:
    return next(row for row in engine.desk.detail.requests() if row.id == request_id)


async def change(engine: Engine, path: str, value: str, person: str = "rosa", why: str = "") -> None:
    done = await engine.desk.submit(c.ChangeSettings(path=path, value=value, reason=why), actor(person))
    assert done.ok, done.text


async def test_every_rule_has_a_row_and_the_fullest_stand_first(engine):
    rows = engine.desk.detail.limits()
    assert {row.rule for row in rows} == {*engine.desk.rules(), "max_exposure"}
    shares = [row.share for row in rows]
    measured = [share for share in shares if share is not None]
    assert measured == sorted(measured, reverse=True)
    assert shares[: len(measured)] == measured


async def test_used_and_limit_are_those_of_the_risk_view(engine):
    await order(engine.desk, "tina", "0.05")
    engine.play(2)
    uses = {use.rule: use for use in engine.desk.risk().limits}
    assert uses["portfolio_exposure"].used > 0
    for row in engine.desk.detail.limits():
        use = uses.get(row.rule)
        assert (row.used, row.share) == ((use.used, use.share) if use else (None, None))
        assert use is None or (row.value, row.scope) == (use.limit, use.scope)


async def test_a_limit_names_the_place_that_it_is_from(engine):
    assert limit(engine, "daily_loss").source == "default"
    await change(engine, "risk.portfolio.daily_loss", "0.02")
    row = limit(engine, "daily_loss")
    assert (row.value, row.source) == (Decimal("0.02"), "risk.portfolio.daily_loss")
    await change(engine, f"risk.instrument.{BTC}.price_collar", "0.01")
    sets = {one.scope: one for one in limit(engine, "price_collar").sets}
    assert sets[f"instrument:{BTC}"].source == f"risk.instrument.{BTC}.price_collar"
    assert sets["portfolio"].value == Decimal("0.05")


async def test_an_override_is_what_a_limit_is_from_while_it_lasts(engine):
    ask = c.Override(rule="open_positions", scope="portfolio", value=Decimal(25), minutes=30, reason="busy")
    assert (await engine.desk.submit(ask, actor("rosa"))).ok
    for voter in ("rolf", "adam"):
        assert (await engine.desk.submit(c.Approve(request="R1"), actor(voter))).ok
    row = limit(engine, "open_positions")
    assert (row.value, row.source, row.default) == (Decimal(25), "override R1", Decimal(20))
    assert row.sets[0].until_ns == engine.desk.status().overrides[0].until_ns
    assert (await engine.desk.submit(c.EndOverride(rule="open_positions", scope="portfolio"), actor("tina"))).ok
    assert (limit(engine, "open_positions").value, limit(engine, "open_positions").source) == (Decimal(20), "default")


async def test_a_request_shows_what_will_be_done_and_who_may_vote_and_why_not(engine):
    await order(engine.desk, "rosa", "0.15")
    row = request(engine)
    content = dict(row.content)
    assert content["instrument"] == BTC
    assert content["position wanted"] == "0.15000"
    assert (row.asker, row.votes_needed, row.role, row.needs_code) == ("rosa", 1, "risk", False)
    voters = {voter.person: voter for voter in row.voters}
    assert [name for name, voter in voters.items() if voter.may] == ["rolf", "adam"]
    assert voters["rosa"].why_not == "who asks does not vote"
    assert voters["tina"].why_not == "it takes role risk or higher"
    done = await engine.desk.submit(c.Approve(request="R1", digest=row.digest[:8]), actor("rolf"))
    assert done.ok, done.text
    decided = request(engine)
    assert (decided.status, decided.votes, decided.voters) == ("approved", ("rolf",), ())


async def test_a_locked_person_may_not_vote_where_codes_are_needed(engine):
    core = engine.driver.core
    core.state.settings = replace(
        core.state.settings, approvals=replace(core.state.settings.approvals, codes=True, code_misses=1)
    )
    await order(engine.desk, "tina", "0.15")
    assert (await engine.desk.submit(c.Approve(request="R1"), actor("rolf"), code="000000")).ok is False
    voters = {voter.person: voter for voter in request(engine).voters}
    assert "s to go" in voters["rolf"].why_not
    assert voters["rosa"].may
    assert request(engine).needs_code


async def test_the_content_of_a_change_of_settings_is_old_and_new(engine):
    await engine.desk.submit(c.ChangeSettings(path="risk.max_exposure", value="2000000"), actor("rosa"))
    content = request(engine).content
    assert ("edits", "risk.max_exposure: 50000 -> 2000000") in content
    assert not any(name in {"step", "problems"} for name, _ in content)


async def test_settings_say_their_default_and_who_set_them(engine):
    before = {row.path: row for row in engine.desk.detail.settings()}
    assert before["risk.max_exposure"].source in {"default", "file"}
    assert before["persons.rosa.role"].source == "file"
    await change(engine, "risk.max_exposure", "40000", why="thin")
    row = {row.path: row for row in engine.desk.detail.settings()}["risk.max_exposure"]
    assert (row.value, row.default, row.source, row.by) == ("40000", "1000000", "version 1", "rosa")
    assert row.ts_ns == engine.now_ns()


async def test_parameters_tell_what_the_code_says_of_them_and_who_gave_which():
    engine = Engine(strategies=True)
    found = engine.desk.detail.strategy("maker-btc")
    assert found is not None
    assert (found.problem, found.text != "") == ("", True)
    edge = next(param for param in found.params if param.name == "min_edge_bps")
    assert (edge.default, edge.is_given, edge.adds_risk, edge.bounds) == (0.5, True, "lowered", "≥ 0 ≤ 1000")
    assert [(row.by, row.is_load) for row in found.history] == [("", True)]
    done = await engine.desk.submit(c.SetParams(strategy="maker-btc", params={"min_edge_bps": 2.5}), actor("tina"))
    assert done.ok, done.text
    newest = engine.desk.records.params("maker-btc")[0]
    assert (newest.by, newest.agreed, newest.is_load) == ("tina", "", False)
    assert (newest.before["min_edge_bps"], newest.after["min_edge_bps"]) == (edge.value, 2.5)


async def test_parameters_that_took_votes_name_who_agreed():
    engine = Engine(strategies=True)
    detail = engine.desk.detail.strategy("maker-btc")
    assert detail is not None
    param = next(p for p in detail.params if p.adds_risk == "raised" and isinstance(p.value, int | float))
    ask = c.SetParams(strategy="maker-btc", params={param.name: param.value * 1.01})
    said = await engine.desk.submit(ask, actor("tina"))
    assert said.request, said.text
    for voter in ("rosa", "rolf"):
        assert (await engine.desk.submit(c.Approve(request=said.request), actor(voter))).ok
    newest = engine.desk.records.params("maker-btc")[0]
    assert (newest.by, newest.agreed) == ("tina", "rosa and rolf")


async def test_a_strategy_that_is_not_there_has_no_detail(engine):
    assert engine.desk.detail.strategy("nobody") is None


async def test_commands_are_found_by_person_verb_text_outcome_and_time(engine):
    desk = engine.desk
    await desk.submit(c.Halt(reason="prices look wrong"), actor("tina", Door.DASHBOARD), request_id="k1")
    engine.play(2)
    later_ns = engine.now_ns()
    await desk.submit(c.Resume(), actor("tina"))
    await desk.submit(c.Resume(), actor("rosa"))
    find = desk.records.search

    async def verbs(**wanted: object) -> list[tuple[str, str]]:
        page = await find(AuditQuery(**wanted))  # type: ignore[arg-type]
        return [(row.person, row.verb) for row in page.items]

    assert await verbs() == [("rosa", "resume"), ("tina", "resume"), ("tina", "halt")]
    assert await verbs(person="TINA", outcome="refused") == [("tina", "resume")]
    assert await verbs(verb="ha") == [("tina", "halt")]
    assert await verbs(until_ns=later_ns) == [("tina", "halt")]
    assert await verbs(since_ns=later_ns, outcome="done") == [("rosa", "resume")]
    first = await find(AuditQuery(limit=2))
    seq, _, index = first.next.partition(".")
    second = await find(AuditQuery(limit=2, before=(int(seq), int(index))))
    assert ([row.verb for row in second.items], second.next) == (["halt"], "")
    assert second.items[0].request_id == "k1"
