"""Links, sessions, tokens and tickets in a real database, SQLite and PostgreSQL alike."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from domain.access import AccessRefused, NewToken, Scope
from domain.commands import Actor, Door
from domain.security import AccessKind
from gateway.access.access import Access, AccessRules, Denied, MustWait
from gateway.access.caller import Identity, Kind
from gateway.access.database import metadata, noted
from gateway.access.lockout import FIRST_WAIT_NS, FREE, LONGEST_WAIT_NS
from gateway.access.proof import Proof
from gateway.access.secret import is_token, new_token
from tests.gateway.access.conftest import DAY_NS, SECOND_NS, House, by

WRONG = "x" * 43


async def logged_in(access: Access, person: str = "tina", ip: str = "192.0.2.1") -> tuple[str, Identity]:
    return await access.redeem((await access.new_link(person)).removeprefix("/login/"), ip, "a browser")


async def notes(access: Access) -> list[Any]:
    return await access.read(lambda connection: list(connection.execute(noted.select().order_by(noted.c.id))))


async def test_one_link_is_spent_once_by_two_gateways_at_the_same_time(house: House):
    first, second = house.open(), house.open()
    for _ in range(5):
        link = (await first.new_link("tina")).removeprefix("/login/")
        tries = await asyncio.gather(
            *(one.redeem(link) for one in (first, second, first, second)), return_exceptions=True
        )
        spent = [one for one in tries if isinstance(one, tuple)]
        assert len(spent) == 1, tries
        assert all(isinstance(one, AccessRefused) for one in tries if not isinstance(one, tuple))
        cookie, _ = spent[0]
        assert (await first.session(cookie)) == (await second.session(cookie)) is not None
        house.clock.move(3600)  # what failed is forgotten


async def test_a_link_is_over_after_ten_minutes(house: House):
    access = house.open()
    link = (await access.new_link("tina")).removeprefix("/login/")
    house.clock.move(600)
    with pytest.raises(AccessRefused, match="expired"):
        await access.redeem(link)


async def test_a_session_ends_when_it_is_not_used_and_at_last_even_when_it_is(house: House):
    access = house.open(AccessRules(session_ns=12 * 3600 * SECOND_NS, idle_ns=2 * 3600 * SECOND_NS))
    idle, _ = await logged_in(access)
    busy, known = await logged_in(access, "rosa")
    for _ in range(11):
        house.clock.move(3600)
        assert await access.alive(known)
        await settled(access)
    assert await access.session(idle) is None
    assert await access.session(busy) is not None
    house.clock.move(3600)
    assert await access.session(busy) is None
    assert not await access.alive(known)


async def settled(access: Access) -> None:
    """What is written later is written."""
    for _ in range(2):
        await asyncio.gather(*(access.read(lambda _: None) for _ in range(4)))


async def test_only_hashes_are_in_the_database(house: House):
    access = house.open()
    link = (await access.new_link("tina")).removeprefix("/login/")
    cookie, known = await access.redeem(link)
    other_link = (await access.new_link("tina")).removeprefix("/login/")
    token, _ = await house.token(access, "tina")
    ticket = await access.ticket(known, "192.0.2.1")

    def everything(connection: Any) -> str:
        return repr([list(connection.execute(table.select())) for table in metadata.sorted_tables])

    held = await access.read(everything)
    assert held.count("tina") > 4
    for secret in (link, cookie, other_link, token, ticket):
        assert secret not in held


async def test_what_ends_in_one_process_ends_in_another_within_two_seconds(house: House):
    here, there = house.open(), house.open()
    cookie, known = await logged_in(here)
    token, token_id = await house.token(here, "tina")
    assert await there.session(cookie)
    assert isinstance(await there.token(token, ""), Identity)
    await here.end(known)
    await house.accounts(here).revoke_token(token_id, by("tina"))
    assert await here.session(cookie) is None
    assert isinstance(await here.token(token, ""), Denied)
    house.clock.move(1)
    assert await there.session(cookie) is None
    assert not await there.alive(known)
    denied = await there.token(token, "")
    assert isinstance(denied, Denied)
    assert "revoked" in denied.text


async def test_a_token_has_an_end_and_names_and_scopes_that_its_person_may_have(house: House):
    access = house.open()
    accounts = house.accounts(access)

    async def refused(**changes: Any) -> str:
        given: dict[str, Any] = {"name": "bot", "person": "tina", "scopes": (Scope.READ,), "life_ns": DAY_NS}
        with pytest.raises(AccessRefused) as refusal:
            await accounts.create_token(NewToken(**(given | changes)), by("tina"))
        return str(refusal.value)

    assert "366 days" in await refused(life_ns=367 * DAY_NS)
    assert "1 minute" in await refused(life_ns=0)
    assert "the scope risk takes the role risk; tina is trader" in await refused(scopes=(Scope.READ, Scope.RISK))
    assert "read, trade, risk or admin" in await refused(scopes=())
    assert "there is no person" in await refused(person="eve")
    assert "10.0.0.0/8" in await refused(networks=("10.0.0.1/8",))
    assert "has a name" in await refused(name=" ")
    assert await accounts.tokens() == []
    await accounts.create_token(NewToken(name="bot", person="tina", scopes=(Scope.TRADE,), life_ns=DAY_NS), by("adam"))
    assert "has a token bot already (T1)" in await refused()
    [view] = await accounts.tokens("tina")
    assert (view.id, view.state, view.created_by, view.scopes) == ("T1", "active", "adam", (Scope.TRADE,))
    house.clock.move(86_400)
    assert (await accounts.tokens())[0].state == "expired"


async def test_a_token_counts_from_its_networks_only_and_its_last_use_is_known(house: House):
    access = house.open()
    token, _ = await house.token(access, "tina", networks=("10.0.0.0/8", "2001:db8::/32"))
    for ip in ("10.1.2.3", "2001:db8::7"):
        found = await access.token(token, ip)
        assert isinstance(found, Identity)
        assert (found.person, found.kind, found.scopes) == ("tina", Kind.TOKEN, frozenset({Scope.READ}))
    await settled(access)
    [view] = await house.accounts(access).tokens()
    assert view.last_ip in {"10.1.2.3", "2001:db8::7"}
    assert view.last_used_ns == house.clock.ns
    for ip in ("192.0.2.9", "", "nonsense"):
        denied = await access.token(token, ip)
        assert isinstance(denied, Denied)
        assert "from this address" in denied.text


async def test_a_slip_in_a_token_is_told_without_the_database(house: House):
    token = new_token()
    assert is_token(token)
    assert not is_token(token[:-1] + ("a" if token[-1] != "a" else "b"))
    assert not is_token(f"{token} ")
    assert not is_token("")
    assert len({new_token() for _ in range(100)}) == 100


async def test_wrong_tokens_wait_longer_each_time_and_right_ones_never(house: House):
    access = house.open()
    right, _ = await house.token(access, "tina")
    ip, waits = "192.0.2.66", []
    for _ in range(FREE + 8):
        denied = await access.token(new_token(), ip)
        assert isinstance(denied, Denied)
        after = await access.token(new_token(), ip)
        assert isinstance(after, Denied)
        waits.append(after.wait_s)
        assert isinstance(await access.token(right, ip), Identity)
        house.clock.move(after.wait_s)
    first = FIRST_WAIT_NS // SECOND_NS
    growing = [wait for wait in waits if wait]
    assert growing[:4] == [first, 2 * first, 4 * first, 8 * first]
    assert max(growing) == LONGEST_WAIT_NS // SECOND_NS
    elsewhere = await access.token(new_token(), "192.0.2.67")
    assert isinstance(elsewhere, Denied)
    assert elsewhere.wait_s == 0


async def test_failures_are_counted_for_all_gateways_together_and_noted_a_few_times_only(house: House):
    first, second = house.open(), house.open()
    for i in range(40):
        with pytest.raises(AccessRefused):
            await (first, second)[i % 2].redeem(WRONG, "192.0.2.5")
    with pytest.raises(MustWait) as wait:
        await first.redeem(WRONG, "192.0.2.5")
    assert wait.value.wait_s == FIRST_WAIT_NS // SECOND_NS
    kinds = [row.kind for row in await notes(first)]
    assert kinds.count(AccessKind.LOGIN_FAILED) == FREE
    assert kinds.count(AccessKind.LOCKED) == 1
    assert await logged_in(first, ip="192.0.2.5")  # a right link is never made to wait
    for row in await notes(first):
        assert WRONG not in repr(row)


async def test_a_whole_ipv6_network_is_one_address_and_quiet_is_forgiven(house: House):
    access = house.open()
    for i in range(FREE):
        with pytest.raises(AccessRefused):
            await access.redeem(WRONG, f"2001:db8::{i:x}")
    with pytest.raises(MustWait):
        await access.redeem(WRONG, "2001:db8::ffff:1")
    with pytest.raises(AccessRefused) as other:
        await access.redeem(WRONG, "2001:db8:0:1::1")
    assert not isinstance(other.value, MustWait)
    house.clock.move(3600)
    with pytest.raises(AccessRefused) as later:
        await access.redeem(WRONG, "2001:db8::1")
    assert not isinstance(later.value, MustWait)


async def test_three_wrong_codes_end_the_session_and_then_its_address_waits(house: House):
    access = house.open()
    proof = Proof(access)

    def actor(known: Identity) -> Actor:
        return Actor(person=known.person, door=Door.DASHBOARD, chat=f"session:{known.key[:12]}")

    cookie, known = await logged_in(access)
    assert not await proof.has(actor(known))
    assert await proof.after(actor(known), is_right=False)
    assert await proof.after(actor(known), is_right=True)
    assert await proof.has(actor(known))
    house.clock.move(600)
    assert not await proof.has(actor(known))
    for left in (True, True, False):
        await proof.before(actor(known))
        assert await proof.after(actor(known), is_right=False) is left
    assert await access.session(cookie) is None
    assert not await proof.after(actor(known), is_right=True)
    _, again = await logged_in(access)
    for _ in range(2):
        await proof.before(actor(again))
        await proof.after(actor(again), is_right=False)
    with pytest.raises(MustWait):
        await proof.before(actor(again))
    _, elsewhere = await logged_in(access, ip="198.51.100.1")
    await proof.before(actor(elsewhere))  # the person is not locked out of another address


async def test_a_ticket_opens_once_within_half_a_minute_from_where_it_was_given(house: House):
    first, second = house.open(), house.open()
    _, known = await logged_in(first)
    ticket = await first.ticket(known, "192.0.2.1")
    tries = await asyncio.gather(*(one.spend_ticket(ticket, "192.0.2.1") for one in (first, second, first, second)))
    assert len([one for one in tries if one is not None]) == 1
    assert await first.spend_ticket(await first.ticket(known, "192.0.2.1"), "192.0.2.2") is None
    late = await first.ticket(known, "192.0.2.1")
    house.clock.move(30)
    assert await first.spend_ticket(late, "192.0.2.1") is None
    ended = await first.ticket(known, "192.0.2.1")
    await first.end(known)
    assert await first.spend_ticket(ended, "192.0.2.1") is None


async def test_a_lock_down_ends_what_was_made_before_it_in_every_process_and_after_a_restart(house: House):
    here, there = house.open(), house.open()
    cookie, known = await logged_in(here)
    link = (await here.new_link("tina")).removeprefix("/login/")
    token, token_id = await house.token(here, "tina")
    assert isinstance(await there.token(token, ""), Identity)
    here.lock_down()
    assert await here.session(cookie) is None
    assert not await here.alive(known)
    denied = await here.token(token, "")
    assert isinstance(denied, Denied)
    assert "suspended" in denied.text
    with pytest.raises(AccessRefused):
        await here.redeem(link)
    await settled(here)
    house.clock.move(1.5)
    for one in (there, house.open()):
        assert await one.session(cookie) is None
        assert isinstance(await one.token(token, ""), Denied)
    house.clock.move(-5)  # a clock that is set back must not open the past, nor close the future
    cookie, _ = await logged_in(there)
    assert await there.session(cookie) is not None
    assert (await house.accounts(there).resume_token(token_id, by("adam"))).state == "active"
    assert isinstance(await there.token(token, ""), Identity)


async def test_whatever_happens_is_noted_with_who_and_from_where(house: House):
    access = house.open()
    accounts = house.accounts(access)
    link = await accounts.login_link("tina", by("tina"))
    assert link.startswith("https://trade.example/login/")
    _, known = await access.redeem(link.rpartition("/")[2], "192.0.2.1")
    _, token_id = await house.token(access, "rosa")
    await accounts.revoke_token(token_id.lower(), by("adam"))
    await access.end(known, "192.0.2.1")
    told = [(row.kind, row.person, row.by) for row in await notes(access)]
    assert told == [
        ("link_made", "tina", "tina (terminal)"),
        ("login", "tina", "tina"),
        ("token_created", "rosa", "rosa (terminal)"),
        ("token_revoked", "rosa", "adam (terminal)"),
        ("logged_out", "tina", "tina"),
    ]


async def test_the_newest_twenty_sessions_of_a_person_are_kept(house: House):
    access = house.open()
    cookies = []
    for _ in range(22):
        house.clock.move(1)
        cookies.append((await logged_in(access))[0])
    house.clock.move(1)
    assert [await access.session(cookie) is not None for cookie in cookies] == [False] * 2 + [True] * 20
    assert len(await house.accounts(access).sessions("tina")) == 20
    assert await house.accounts(access).end_sessions("tina", by("adam")) == 20
    assert await house.accounts(access).sessions() == []


async def test_a_newer_schema_is_refused_and_not_touched(house: House):
    access = house.open()
    await access.new_link("tina")
    await access.write(lambda connection: connection.execute(text("UPDATE access_meta SET value = 99")))
    from domain.access import AccessLost

    with pytest.raises(AccessLost, match="cannot be used"):
        await house.open().new_link("tina")
