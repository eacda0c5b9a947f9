"""A key is exchanged under a trading engine: at Hyperliquid alone, killed anywhere, taken back."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from hyperliquid.utils.signing import sign_agent
from msgspec.structs import replace
from typer.testing import CliRunner

import main
from domain.errors import ConfigError, VenueError
from domain.events import Accepted, SendFailed
from domain.keys import KeyExpires
from domain.ports import SignRequest
from engine.config import remember
from exchanges.hyperliquid.approving import ApprovingSigner, approval, new_key, request_of
from exchanges.hyperliquid.signing import l1_payload, signature_of
from exchanges.shared.fleet import make_key, open_signers
from exchanges.shared.rotation import Place, Rotation, Stage
from exchanges.shared.setup import VenueAccount, VenueSetup
from tests.exchanges.desk import WallClock
from tests.exchanges.hyperliquid.desk import ACCOUNT, desk_at, venue_at
from tests.exchanges.hyperliquid.exchange_room import AGENT, AGENT_KEY
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer
from tests.vault.conftest import WORDS
from tests.vault.signer.room import serving
from vault.crypto import BOUNDS
from vault.passphrase import Passphrase
from vault.signer.held import ExchangeKeys, ServiceSecrets
from vault.signer.local import LocalKeys
from vault.signer.ring import KeyRing
from vault.store import Vault

OWNER_KEY = "0x" + "77" * 32
OWNER = Account.from_key(OWNER_KEY).address.lower()
VENUE = "HYPERLIQUID"


@dataclass
class Bench:
    server: ExchangeServer
    vault: Vault
    ring: KeyRing
    keys: LocalKeys
    place: Place
    said: list[str]

    def rotation(self, **changes: Any) -> Rotation:
        return Rotation(replace(self.place, **changes))

    def agents(self) -> dict[str, str]:
        return {agent["name"]: agent["address"] for agent in self.server.room.agents.tell(OWNER)}

    def key(self) -> str:
        with self.vault.reveal("agent") as value:
            return value.decode()


@pytest.fixture
async def bench(vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr("tests.exchanges.hyperliquid.exchange_room.MASTER", OWNER)  # it has the money
    async with ExchangeServer() as server:
        room = server.room
        room.roles = {OWNER: {"role": "user"}, AGENT: {"role": "agent", "data": {"user": OWNER}}}
        room.agents.of[OWNER] = {"mine": {"address": AGENT, "validUntil": 2_000_000_000_000}}
        await server.quote("49990", "50010")
        vault.put("agent", "exchange", AGENT_KEY)
        vault.put("wallet", "owner", OWNER_KEY)
        account = VenueAccount(id=ACCOUNT, address=OWNER, key="agent")
        setup = VenueSetup(venue=VENUE, network="local", base_url=server.url, accounts=(account,))
        fields = {
            "venue": VENUE,
            "network": "local",
            "base_url": server.url,
            "accounts": [{"id": ACCOUNT, "key": "agent"}],
        }
        ring = KeyRing(vault, lambda keys: open_signers([fields], keys), make_key)
        keys = LocalKeys(ring)
        place = Place(
            setup=setup,
            account=account,
            keys=keys,
            signer=lambda: keys.signer(VENUE),
            secrets=ServiceSecrets(vault),
            owner=None,
            clock=WallClock(),
            folder=vault.path.parent,
        )
        yield Bench(server, vault, ring, keys, place, [])


class Steady:
    """The signer that the engine has: whatever is in the ring at the moment."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def sign(self, requests: Any) -> list[bytes]:
        return await self._bench.keys.signer(VENUE).sign(requests)


async def test_an_agent_is_exchanged_under_a_trading_engine_and_the_old_one_is_worthless(bench):
    account = replace(venue_at(bench.server)._accounts[ACCOUNT], address=OWNER)
    venue = venue_at(bench.server, signer=Steady(bench), accounts=[account])
    desk = desk_at(venue)
    await venue.start(desk.sink)
    try:
        before = desk.place(1, "49000")
        desk.send(before)
        await desk.hears(Accepted, before.cid)
        await bench.rotation().run(bench.said.append)
        after = desk.place(1, "48000")
        desk.send(after, desk.cancel(before))
        await desk.hears(Accepted, after.cid)
        assert not desk.of(SendFailed)
        bench.server.room.agents.of[OWNER]["moondev-1"]["validUntil"] = WallClock().now_ns() // 10**6 + 3 * 86_400_000
        await venue._watch.look_again(venue._readers[ACCOUNT])
        assert "expires in 3.0 days" in desk.of(KeyExpires)[-1].text, "the new key is the one that is watched"
    finally:
        await venue.aclose()
    agents, roles = bench.agents(), bench.server.room.roles
    assert sorted(agents) == ["mine", "moondev-1"]
    assert AGENT not in roles, "the old key signs nothing any more"
    assert roles[agents["mine"]]["role"] == "agent", "a key that nobody has stands under its name"
    assert Account.from_key(bench.key()).address.lower() == agents["moondev-1"]
    assert [record.name for record in bench.vault.records()] == ["agent", "wallet"]
    assert [line.split()[0] for line in bench.said] == ["A", f"{ACCOUNT}:", "The", "From", "The"]
    await bench.rotation().run(bench.said.append)
    assert sorted(bench.agents()) == ["mine", "moondev-1", "moondev-2"], (
        "names are used in turn: the venue allows three"
    )
    await bench.rotation().run(bench.said.append)
    assert Account.from_key(bench.key()).address.lower() == bench.agents()["moondev-1"]


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("step", ["make", "approve", "approved", "verify", "use", "switch", "half", "revoke"])
async def test_killed_anywhere_it_goes_on_where_it_was(bench, monkeypatch, step):
    rotation = bench.rotation()
    approver = rotation._approver

    def die(*_: Any, **__: Any) -> Any:
        raise Killed

    target = {
        "make": (bench.keys, "make", die),
        "approve": (type(approver), "approve", die),
        "verify": (rotation, "_verify", die),
        "use": (type(approver), "use", die),
        "switch": (bench.keys, "switch", die),
        "half": (bench.vault, "remove", die),
        "revoke": (type(approver), "revoke", die),
    }
    with monkeypatch.context() as patch:
        if step == "approved":
            plain = type(approver).approve

            async def dies_after(self: Any, progress: Any) -> Any:
                await plain(self, progress)
                raise Killed

            patch.setattr(type(approver), "approve", dies_after)
        else:
            patch.setattr(*target[step])
        with pytest.raises(Killed):
            await rotation.run(bench.said.append)
    signer = bench.keys.signer(VENUE)
    payload = l1_payload({"type": "noop"}, 1, is_mainnet=False)
    assert await signer.sign([SignRequest(key="agent", action="noop", payload=payload)]), "it signs at every moment"
    bench.ring.reload()
    await bench.rotation().run(bench.said.append)
    assert Account.from_key(bench.key()).address.lower() == bench.agents()["moondev-1"]
    assert AGENT not in bench.server.room.roles
    assert not list(bench.place.folder.glob("rotation-*"))
    assert not bench.vault.has("agent.next")


async def test_it_is_taken_back_until_the_new_key_signs(bench, monkeypatch):
    rotation = bench.rotation()
    with pytest.raises(ConfigError, match="no exchange of agent has begun"):
        await rotation.abort(bench.said.append)
    with monkeypatch.context() as patch:
        patch.setattr(rotation, "_verify", lambda: pytest.fail("x"))
        with pytest.raises(pytest.fail.Exception):
            await rotation.run(bench.said.append)
    again = bench.rotation()
    assert again.progress.stage is Stage.APPROVED
    new = again.progress.new
    await again.abort(bench.said.append)
    assert bench.key() == AGENT_KEY
    assert AGENT in bench.server.room.roles
    assert new not in bench.server.room.roles
    assert not bench.vault.has("agent.next")

    last = bench.rotation()
    with monkeypatch.context() as patch:
        patch.setattr(type(last._approver), "revoke", lambda *_, **__: pytest.fail("x"))
        with pytest.raises(pytest.fail.Exception):
            await last.run(bench.said.append)
    with pytest.raises(ConfigError, match="signs already"):
        await bench.rotation().abort(bench.said.append)


async def test_without_the_owners_key_it_is_typed_once_and_kept_nowhere(bench):
    bench.vault.remove("wallet")
    bench.ring.reload()
    with pytest.raises(VenueError, match="no key of kind owner"):
        await bench.rotation().run(bench.said.append)

    def typed() -> ApprovingSigner:
        signer = bench.keys.signer(VENUE)
        assert isinstance(signer, ApprovingSigner)
        return signer.with_typed(OWNER_KEY)

    await bench.rotation(owner=typed).run(bench.said.append)
    assert AGENT not in bench.server.room.roles
    assert OWNER_KEY[2:] not in bench.vault.path.read_bytes().hex()


@pytest.mark.parametrize("is_mainnet", [True, False])
@pytest.mark.parametrize("name", ["", "moondev-1", "moondev-1 valid_until 1893456000000", "näme"])
async def test_an_approval_is_signed_as_the_sdk_signs_it(is_mainnet, name):
    _, address = new_key()
    action = approval(address, name, 1_700_000_000_123, is_mainnet=is_mainnet)
    signer = ApprovingSigner(Steadfast(), [OWNER_KEY], [address], is_mainnet=is_mainnet)
    [ours] = await signer.sign([request_of(OWNER, action)])
    theirs = {"type": "approveAgent", "agentAddress": address, "agentName": name, "nonce": 1_700_000_000_123}
    signature = sign_agent(Account.from_key(OWNER_KEY), theirs, is_mainnet)
    found = signature_of(ours)
    assert {"r": found.r, "s": found.s, "v": found.v} == signature


class Steadfast:
    async def sign(self, requests: Any) -> list[bytes]:
        raise VenueError("an order")


async def test_an_owners_key_signs_nothing_but_approvals_of_this_vaults_keys(bench):
    signer = bench.keys.signer(VENUE)
    _, stranger = new_key()
    good = approval(AGENT, "moondev-1", 1, is_mainnet=False)
    assert await signer.sign([request_of(OWNER, good)])
    noop = l1_payload({"type": "noop"}, 1, is_mainnet=False)
    for odd, said in [
        (request_of(OWNER, approval(stranger, "moondev-1", 1, is_mainnet=False)), "keys of this vault alone"),
        (request_of(OWNER, approval(AGENT, "moondev-1", 1, is_mainnet=True)), "not for 'Mainnet'"),
        (request_of(OWNER, replace(good, signature_chain_id="0x1")), "signs for Testnet"),
        (request_of(OWNER, replace(good, agent_address="0x" + "zz" * 20)), "cannot read"),
        (request_of(OWNER, replace(good, nonce=-1)), "cannot read"),
        (request_of("0x" + "11" * 20, good), "no key of kind owner"),
        (request_of("agent", good), "no key of kind owner"),
        (SignRequest(key=OWNER, action="noop", payload=noop), "no key"),
        (SignRequest(key="wallet", action="noop", payload=noop), "no key 'wallet'"),
        (SignRequest(key=OWNER, action="approveAgent", payload=noop), "cannot read"),
        (SignRequest(key=OWNER, action="usdSend", payload=request_of(OWNER, good).payload), "refuses"),
        (SignRequest(key="agent", action="order", payload=request_of(OWNER, good).payload), "refuses"),
    ]:
        with pytest.raises(VenueError, match=said):
            await signer.sign([odd])
    with pytest.raises(VenueError, match="no key of kind owner"):
        await signer.sign([request_of(OWNER, good), SignRequest(key="agent", action="noop", payload=noop)])
    with pytest.raises(ConfigError, match="kind owner"):
        ExchangeKeys(bench.vault).get("wallet")
    assert ServiceSecrets(bench.vault).names() == []


async def test_the_signer_does_it_for_an_engine_that_has_no_key(bench, tmp_path):
    async with serving(tmp_path, {}, ring=bench.ring) as (_, client):
        await asyncio.to_thread(client.connect)
        place = replace(bench.place, keys=client, signer=lambda: client.signers[VENUE])
        await Rotation(place).run(bench.said.append)
        assert AGENT not in bench.server.room.roles
        assert (await client.report()).version == 1, "the service hears that keys have changed"
        for verb in (client.switch, client.discard):
            with pytest.raises(VenueError, match="no key 'wallet' that can be exchanged"):
                await verb("wallet")
        with pytest.raises(VenueError, match="BYBIT makes its keys itself"):
            await client.make("BYBIT", "agent")
    async with serving(tmp_path) as (_, client):
        with pytest.raises(VenueError, match="keys are not exchanged"):
            await client.reload()


@pytest.fixture
def venue_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExchangeServer]:
    """A Hyperliquid on a loop of its own, for a verb of the command line."""
    monkeypatch.setattr("tests.exchanges.hyperliquid.exchange_room.MASTER", OWNER)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ExchangeServer()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    yield server
    asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_the_verb_exchanges_a_key_and_says_each_step(venue_in_a_thread, tmp_path):
    room = venue_in_a_thread.room
    room.roles = {OWNER: {"role": "user"}, AGENT: {"role": "agent", "data": {"user": OWNER}}}
    room.agents.unnamed[OWNER] = AGENT
    data = tmp_path / "data"
    data.mkdir(0o700)
    (secret := tmp_path / "passphrase").write_text(WORDS)
    secret.chmod(0o600)
    account = {"id": ACCOUNT, "address": OWNER, "key": "agent"}
    settings = {
        "environment": "testnet",
        "venues": [
            {"name": "hyperliquid", "network": "local", "base_url": venue_in_a_thread.url, "accounts": [account]}
        ],
        "vault": {"passphrase": {"from": "file", "file": str(secret)}},
        "persons": [{"id": "ann", "role": "admin"}, {"id": "bob", "role": "risk"}],
        "approvals": {"requester_counts": True},
    }
    (file := tmp_path / "settings.yaml").write_text(json.dumps(settings))
    remember(data, file)
    with Vault.create(data / "vault", Passphrase(WORDS), cost=BOUNDS.least) as vault:
        vault.put("agent", "exchange", AGENT_KEY)
        vault.put("wallet", "owner", OWNER_KEY)

    def verb(*words: str) -> Any:
        return CliRunner().invoke(main.app, ["vault", "rotate-key", *words, "--data", str(data)])

    done = verb("agent")
    assert done.exit_code == 0, done.exception
    said = done.output
    assert "is approved as 'moondev-1'" in said
    assert "From now on the new key signs." in said
    assert f"The old key {AGENT} is worthless" in said
    assert AGENT not in room.roles, "an agent without a name is replaced too"
    assert room.agents.unnamed[OWNER] in room.roles
    for words, problem in [(["nobody"], "no account's key is called 'nobody'"), (["agent", "--abort"], "has begun")]:
        assert problem in str(verb(*words).exception)
    assert AGENT_KEY[2:] not in said
    assert OWNER_KEY[2:] not in said
