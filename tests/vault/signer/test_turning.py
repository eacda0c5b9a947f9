"""What people have agreed to in chat is carried out at the venue, told stage by stage, gone on with after a kill."""

import asyncio
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest

from domain.keys import KeyStage, Turn
from tests.exchanges.hyperliquid.exchange_room import AGENT_KEY
from tests.vault.conftest import BOUNDS
from tests.vault.signer.test_rotation import Killed, bench
from vault.closed import records_of
from vault.signer.turning import Turning

__all__ = ["bench"]


class Desk:
    """What the journal knows: it takes each step as the core does."""

    def __init__(self, bench, **changes):
        self.bench, self.changes = bench, changes
        self.turns: dict[str, Turn] = {}
        self.told: list[tuple[str, str]] = []
        self.reopened = 0
        (bench.vault.path.parent / "venues").mkdir(exist_ok=True)

    def open(self, key):
        assert key == "agent"
        folder = self.folder / "hyperliquid"
        folder.mkdir(exist_ok=True)
        return self.bench.rotation(folder=folder, **self.changes)

    @property
    def folder(self):
        return self.bench.vault.path.parent / "venues"

    def put_ns(self, key):
        return records_of(self.bench.vault.path, BOUNDS).get(key, 0)

    def changed(self):
        self.reopened += 1

    def ask(self):
        self.turns["agent"] = Turn(stage=KeyStage.ASKED, since_ns=1, by="adam and rosa and ron")

    def take(self, step):
        by = self.turns[step.key].by if step.key in self.turns else ""
        is_over = step.stage in {KeyStage.REVOKED, KeyStage.TAKEN_BACK, KeyStage.FAILED}
        self.turns[step.key] = Turn(stage=step.stage, since_ns=2, text=step.text, by="" if is_over else by)
        self.told.append((step.stage.value, step.text))

    @asynccontextmanager
    async def turning(self):
        one = Turning(self.folder, self, lambda: self.turns, self.take)
        try:
            yield one
        finally:
            for task in one._working.values():
                task.cancel()
            await asyncio.gather(*one._working.values(), return_exceptions=True)


async def until_over(desk, one):
    one.look()
    with suppress(Killed):
        await asyncio.gather(*one._working.values())
    one.look()


@pytest.fixture
def desk(bench):
    return Desk(bench)


async def test_an_agent_is_exchanged_and_each_stage_told_once(desk, bench):
    async with desk.turning() as one:
        one.look()
        assert desk.told == [], "nobody has asked"
        desk.ask()
        await until_over(desk, one)
        one.look()
    assert [stage for stage, _ in desk.told] == ["staged", "verified", "switched", "revoked"]
    assert desk.reopened == 1
    assert bench.key() != AGENT_KEY
    assert not any(bench.key()[2:] in text for _, text in desk.told)


async def test_killed_on_the_way_the_next_start_ends_it(desk, bench, monkeypatch):
    desk.ask()
    with monkeypatch.context() as patch:

        async def killed(_name):
            raise Killed

        patch.setattr(bench.keys, "switch", killed)
        async with desk.turning() as one:
            await until_over(desk, one)
    assert desk.turns["agent"].stage is KeyStage.VERIFIED
    async with desk.turning() as one:
        await until_over(desk, one)
    assert [stage for stage, _ in desk.told] == ["staged", "verified", "switched", "revoked"]
    assert bench.key() != AGENT_KEY


async def test_what_people_have_to_set_right_is_said_and_the_next_wish_goes_on(desk, bench, monkeypatch):
    monkeypatch.setattr("vault.signer.turning.PAUSE_S", 0)
    bench.vault.remove("wallet")
    bench.ring.reload()
    desk.ask()
    async with desk.turning() as one:
        await until_over(desk, one)
        one.look()
        assert [stage for stage, _ in desk.told] == ["staged", "failed"]
        assert "kind owner" in desk.told[-1][1]
        assert bench.key() == AGENT_KEY
        desk.ask()
        await until_over(desk, one)
        assert [stage for stage, _ in desk.told] == ["staged", "failed", "failed"]
        bench.vault.put("wallet", "owner", "0x" + "77" * 32)
        bench.ring.reload()
        desk.ask()
        await until_over(desk, one)
    assert [stage for stage, _ in desk.told][3:] == ["staged", "verified", "switched", "revoked"] or (
        desk.told[-1][0] == "revoked"
    )


async def test_an_exchange_at_the_terminal_is_followed_to_its_end_or_back(desk, bench):
    path = desk.folder / "hyperliquid" / "rotation-agent.json"
    path.parent.mkdir()
    async with desk.turning() as one:
        path.write_bytes(msgspec.json.encode({"key": "agent", "stage": "made", "account": "x"}))
        one.look()
        path.unlink()
        bench.vault.remove("agent")
        one.look()
        assert [stage for stage, _ in desk.told] == ["staged", "taken_back"]
        path.write_bytes(msgspec.json.encode({"key": "agent", "stage": "verified"}))
        one.look()
        bench.vault.put("agent", "exchange", "0x" + "66" * 32)
        path.unlink()
        one.look()
        one.look()
    assert [stage for stage, _ in desk.told][2:] == ["verified", "revoked"]
    assert desk.turns["agent"].by == ""
