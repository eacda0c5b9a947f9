"""A key is exchanged at a venue that makes its keys itself: a person brings the new one, and deletes the old one."""

from pathlib import Path
from typing import Any

import pytest

from domain.errors import ConfigError, VenueError
from exchanges.shared.fleet import make_key, open_signers
from exchanges.shared.rotation import Place, Rotation, Stage
from exchanges.shared.setup import VenueAccount, VenueSetup
from tests.exchanges.bybit.listing import KEY, SECRET, WITHDRAWER, ApiKey
from tests.exchanges.bybit.server import Server as BybitServer
from tests.exchanges.desk import WallClock
from vault.signer.held import ExchangeKeys, ServiceSecrets
from vault.signer.local import LocalKeys
from vault.signer.ring import KeyRing
from vault.store import Vault


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
