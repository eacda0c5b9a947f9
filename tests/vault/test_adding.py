"""A plain file goes only when all of it is in the vault."""

import pytest

from vault.adding import remove_plain, take_file
from vault.config import VaultConfig
from vault.errors import VaultError


@pytest.fixture
def plain(path):
    file = path.parent / "secrets"
    file.write_text("telegram_token = first-value\nbinance_key = another-value\n")
    file.chmod(0o600)
    return file


def test_a_plain_file_that_says_something_else_than_the_vault_stays(vault, plain):
    list(take_file(vault, plain, VaultConfig()))
    plain.write_text("telegram_token = changed-meanwhile\nnew_token = added-meanwhile\n")
    with pytest.raises(VaultError, match="stays: the vault has another value of new_token, telegram_token"):
        remove_plain(plain, vault)
    assert plain.exists()


def test_a_changed_value_is_the_next_version_of_the_kind_that_it_has(vault, plain):
    vault.put("telegram_token", "service", "of-the-vault")
    lines = list(take_file(vault, plain, VaultConfig()))
    assert "telegram_token (service" in lines[1]
    assert "version 2" in lines[1]
    assert "overwritten and removed" in remove_plain(plain, vault)
    assert not plain.exists()
