"""A vault that opens in a millisecond: a cost that only the argument `bounds` allows, which no user reaches."""

import pytest

from vault.crypto import Bounds, Cost
from vault.passphrase import Passphrase
from vault.store import Vault

CHEAP = Cost(memory_kib=32, iterations=1, lanes=1)
BOUNDS = Bounds(least=CHEAP)
WORDS = "otter marble kiosk window seven"


def passphrase(text: str = WORDS) -> Passphrase:
    return Passphrase(text)


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir(0o700)
    return folder / "vault"


@pytest.fixture
def vault(path):
    """An open, empty vault."""
    with Vault.create(path, passphrase(), cost=CHEAP, bounds=BOUNDS) as opened:
        yield opened


@pytest.fixture
def reopen(path):
    """Open it as another process would."""

    def reopen(text: str = WORDS, **given) -> Vault:
        return Vault.open(path, passphrase(text), bounds=BOUNDS, **given)

    return reopen
