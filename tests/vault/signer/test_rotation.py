"""A key is exchanged under a trading engine: at Hyperliquid alone, killed anywhere, taken back; by hand elsewhere."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from hyperliquid.utils.signing import sign_agent
from msgspec.structs import replace

from domain.errors import ConfigError, VenueError
from domain.events import Accepted, SendFailed
from domain.ports import SignRequest
from exchanges.hyperliquid.approving import ApprovingSigner, approval, new_key, request_of
from exchanges.hyperliquid.signing import l1_payload, signature_of
from exchanges.shared.fleet import make_key, open_signers
from exchanges.shared.rotation import Place, Rotation, Stage
from exchanges.shared.setup import VenueAccount, VenueSetup
from tests.exchanges.bybit.listing import KEY, SECRET, WITHDRAWER, ApiKey
from tests.exchanges.bybit.server import Server as BybitServer
from tests.exchanges.desk import WallClock
from tests.exchanges.hyperliquid.desk import ACCOUNT, desk_at, venue_at
from tests.exchanges.hyperliquid.exchange_room import AGENT, AGENT_KEY
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer
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
            folder=tmp_path,
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
    assert OWNER_KEY[2:] not in (bench.place.folder / "vault").read_bytes().hex()


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


def bybit(server: BybitServer, vault: Vault, folder: Path, key: str, secret: str) -> tuple[Rotation, LocalKeys]:
    """The exchange of Bybit's key for another, which a person has made and put into the vault."""
    values = {"bybit_api": KEY, "bybit_secret": SECRET, "bybit_api.next": key, "bybit_secret.next": secret}
    for name, value in values.items():
        vault.put(name, "service" if "api" in name else "exchange", value)
    account = VenueAccount(id="BYBIT:main", key="bybit_secret", api_key="bybit_api")
    where: dict[str, Any] = {"venue": "BYBIT", "network": "local", "base_url": server.url}
    setup = VenueSetup(**where, accounts=(account,), instruments=("BTC-USDT-PERP.BYBIT",))
    fields = {**where, "accounts": [{"id": account.id, "key": account.key}]}
    keys = LocalKeys(KeyRing(vault, lambda found: open_signers([fields], found), make_key))
    place = Place(
        setup=setup,
        account=account,
        keys=keys,
        signer=lambda: keys.signer("BYBIT"),
        secrets=ServiceSecrets(vault),
        owner=None,
        clock=WallClock(),
        folder=folder,
    )
    return Rotation(place), keys


async def test_a_venue_that_makes_its_keys_itself_is_switched_and_says_what_to_delete(vault, tmp_path):
    async with BybitServer() as server:
        server.gate.keys["new-key"] = ApiKey("new-secret-of-bybit")
        rotation, _ = bybit(server, vault, tmp_path, "new-key", "new-secret-of-bybit")
        assert (rotation.is_automatic, rotation.names) == (False, ("bybit_api", "bybit_secret"))
        said: list[str] = []
        await rotation.run(said.append)
        assert said[-1] == "Now delete the old key at BYBIT's page of API keys: that no program may do."
        assert ServiceSecrets(vault).get("bybit_api") == "new-key"
        assert [record.name for record in vault.records()] == ["bybit_api", "bybit_secret"]


@pytest.mark.parametrize(
    ("key", "secret", "error", "words"),
    [
        (WITHDRAWER, "local-withdraw-secret", ConfigError, "may withdraw"),
        (KEY, "not-its-secret-half", (ConfigError, VenueError), None),
        ("nobody", "local-trade-secret", (ConfigError, VenueError), None),
    ],
)
async def test_a_new_key_that_is_wrong_or_can_withdraw_never_signs(vault, tmp_path, key, secret, error, words):
    async with BybitServer() as server:
        rotation, _ = bybit(server, vault, tmp_path, key, secret)
        with pytest.raises(error, match=words):
            await rotation.run(lambda _: None)
        assert rotation.progress.stage is Stage.APPROVED
        await rotation.abort(lambda _: None)
        assert ServiceSecrets(vault).get("bybit_api") == KEY
        assert ExchangeKeys(vault).get("bybit_secret") == SECRET
        assert len(vault.records()) == 2
