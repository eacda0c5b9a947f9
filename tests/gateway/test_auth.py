"""Login links and sessions."""

import stat
from pathlib import Path

import pytest

from gateway.auth import LINK_LIFE_NS, SESSION_LIFE_NS, Auth, LinkRefused


class Clock:
    def __init__(self) -> None:
        self.ns = 1_000_000_000

    def __call__(self) -> int:
        return self.ns


def token(auth: Auth, person: str = "ana") -> str:
    return auth.new_link(person).removeprefix("/login/")


def test_a_link_opens_one_session_and_then_no_more():
    auth = Auth()
    link = token(auth)
    secret, session = auth.redeem(link)
    assert session.person == "ana"
    assert auth.session(secret) == session
    with pytest.raises(LinkRefused, match="already used"):
        auth.redeem(link)


def test_a_link_expires_after_ten_minutes():
    clock = Clock()
    auth = Auth(now_ns=clock)
    link = token(auth)
    clock.ns += LINK_LIFE_NS
    with pytest.raises(LinkRefused, match="expired"):
        auth.redeem(link)


def test_a_session_expires_and_can_be_ended():
    clock = Clock()
    auth = Auth(now_ns=clock)
    first, session = auth.redeem(token(auth))
    second, _ = auth.redeem(token(auth, "rob"))
    auth.end(session)
    assert auth.session(first) is None
    assert auth.session(second) is not None
    clock.ns += SESSION_LIFE_NS
    assert auth.session(second) is None


def test_links_and_cookies_carry_256_bits_and_never_repeat():
    auth = Auth()
    tokens = {token(auth) for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(made) >= 43 for made in tokens)


def test_only_hashes_are_kept_in_memory_and_on_disk(tmp_path: Path):
    auth = Auth(tmp_path / "sessions.json")
    link = token(auth)
    assert link not in repr(auth._links)
    secret, _ = auth.redeem(link)
    assert secret not in repr(auth._sessions)
    assert secret not in (tmp_path / "sessions.json").read_text()


def test_sessions_survive_a_restart_in_a_file_that_only_the_owner_reads(tmp_path: Path):
    store = tmp_path / "sessions.json"
    before = Auth(store)
    secret, session = before.redeem(token(before))
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    assert Auth(store).session(secret) == session
    before.end(session)
    assert Auth(store).session(secret) is None


def test_an_unreadable_session_file_only_costs_a_new_login(tmp_path: Path):
    store = tmp_path / "sessions.json"
    store.write_text("{torn")
    auth = Auth(store)
    secret, _ = auth.redeem(token(auth))
    assert Auth(store).session(secret) is not None


def test_a_disk_that_refuses_does_not_stop_a_login(tmp_path: Path):
    auth = Auth(tmp_path / "missing" / "sessions.json")
    secret, _ = auth.redeem(token(auth))
    assert auth.session(secret) is not None


def test_a_lock_down_ends_every_session_and_every_link(tmp_path: Path):
    auth = Auth(tmp_path / "sessions.json")
    secret, _ = auth.redeem(token(auth))
    link = token(auth)
    auth.end_all()
    assert auth.session(secret) is None
    with pytest.raises(LinkRefused):
        auth.redeem(link)
    assert Auth(tmp_path / "sessions.json").session(secret) is None
    assert auth.redeem(token(auth))
