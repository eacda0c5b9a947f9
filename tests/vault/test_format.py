"""Every byte of a vault is authenticated or refused: changed, cut, swapped, put together or made up."""

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.vault.conftest import BOUNDS, CHEAP, passphrase
from vault.crypto import Bounds
from vault.errors import VaultDamaged, VaultError
from vault.format import encode, parse
from vault.keys import checked, key_of, unlock, value_of
from vault.store import Vault


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The bytes of a vault with three records, and its key-encryption key, which takes the time."""
    path = tmp_path_factory.mktemp("sample") / "vault"
    with Vault.create(path, passphrase(), cost=CHEAP, bounds=BOUNDS) as vault:
        vault.put("binance_key", "exchange", "a" * 32)
        vault.put("main_wallet", "owner", "b" * 32)
        vault.put("telegram_token", "service", "c" * 32)
        return path.read_bytes(), bytes(key_of(vault.file, passphrase(), None))


def opened(raw, key):
    file, keys = unlock(raw, bytearray(key), BOUNDS)
    return [bytes(value_of(file.id, record, keys)) for record in file.records]


def test_every_bit_of_the_file_flipped_is_refused(sample):
    raw, key = sample
    assert sorted(opened(raw, key)) == [b"a" * 32, b"b" * 32, b"c" * 32]
    for bit in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        with contextlib.suppress(VaultError):
            opened(bytes(flipped), key)
            pytest.fail(f"bit {bit % 8} of byte {bit // 8} can be changed")


def test_a_file_cut_at_any_length_is_refused(sample):
    raw, key = sample
    for length in range(len(raw)):
        with contextlib.suppress(VaultError):
            opened(raw[:length], key)
            pytest.fail(f"the first {length} bytes are taken for a whole vault")


@pytest.mark.parametrize("more", [b"\0", b"\n", b"x" * 40])
def test_nothing_may_follow_the_last_byte_or_stand_before_the_first(sample, more):
    raw, key = sample
    for longer in (raw + more, more + raw, raw[:-32] + more + raw[-32:]):
        with pytest.raises(VaultError):
            opened(longer, key)


def remarked(file, key, **changes):
    """The file changed by somebody who can make a fitting mark: what else protects it."""
    _, keys = unlock(file[0], bytearray(key), BOUNDS)
    content = encode(replace(parse(file[0], BOUNDS)[0], **changes))
    raw = content + keys.mark(content)
    checked(raw, keys, BOUNDS)
    return raw


@pytest.mark.parametrize(
    "swapped",
    [("sealed", "nonce", "wrapped"), ("sealed", "nonce"), ("wrapped",), ("name",), ("kind",), ("version",), ("id",)],
)
def test_values_do_not_decrypt_in_the_place_of_others_even_under_a_fitting_mark(sample, swapped):
    raw, key = sample
    one, other, third = parse(raw, BOUNDS)[0].records
    if swapped == ("version",):
        changed = (replace(one, version=2), other, third)
    else:
        changed = (
            replace(one, **{field: getattr(other, field) for field in swapped}),
            replace(other, **{field: getattr(one, field) for field in swapped}),
            third,
        )
    with pytest.raises(VaultDamaged):
        opened(remarked(sample, key, records=changed), key)


def test_a_record_of_another_vault_does_not_decrypt(sample, vault, path):
    vault.put("binance_key", "exchange", "a" * 32)
    _, key = sample
    stranger = vault.file.records[0]
    with pytest.raises(VaultDamaged, match="the key of binance_key is not this vault's"):
        opened(remarked(sample, key, records=(stranger,)), key)


def test_records_out_of_order_or_of_one_name_are_refused(sample):
    raw, _ = sample
    file, mark = parse(raw, BOUNDS)
    one, other, _ = file.records
    twice = encode(replace(file, records=(one, replace(other, name=one.name))))
    with pytest.raises(VaultDamaged, match="a name stands in it twice"):
        parse(twice + mark, BOUNDS)
    for pair in ((one, one), (other, one)):
        parts = [encode(replace(file, records=(record,)))[120:] for record in pair]
        raw = encode(replace(file, records=()))[:116] + struct.pack(">I", 2) + b"".join(parts)
        with pytest.raises(VaultDamaged, match="not in order"):
            parse(raw + mark, BOUNDS)


@pytest.mark.parametrize(
    ("at", "content", "said"),
    [
        (0, b"NOTVAULT", "it is no vault"),
        (8, struct.pack(">H", 2), r"format version 2, this program reads 1; a newer MoonDev has written it: update"),
        (8, struct.pack(">H", 0), "format version 0.*there never was one"),
        (10, struct.pack(">H", 2), "what no header says"),
        (28, struct.pack(">Q", 0), "what no header says"),
        (48, struct.pack(">I", 2**32 - 1), "memory 4294967295"),
        (52, struct.pack(">I", 0), "iterations 0"),
        (56, struct.pack(">I", 2**24), "lanes 16777216"),
        (116, struct.pack(">I", 2**32 - 1), "what no header says"),
        (116, struct.pack(">I", 1000), "cut off in a record"),
        (116, struct.pack(">I", 2), "more in it than it says"),
    ],
)
def test_a_header_that_lies_is_refused_in_words_before_anything_is_computed(sample, at, content, said):
    raw = bytearray(sample[0])
    raw[at : at + len(content)] = content
    with pytest.raises(VaultError, match=said):
        parse(bytes(raw), BOUNDS)


def test_a_file_that_asks_for_less_than_the_floor_is_not_opened(sample, path):
    path.write_bytes(sample[0])
    path.chmod(0o600)
    with pytest.raises(VaultDamaged, match="memory 32, where 65536 to"):
        Vault.open(path, passphrase())


def test_a_file_larger_than_any_vault_is_not_even_read(path):
    with path.open("wb") as file:
        file.truncate(2**31)
    path.chmod(0o600)
    with pytest.raises(VaultError, match="larger than"):
        Vault.open(path, passphrase(), bounds=BOUNDS)


@given(st.binary(max_size=400))
def test_made_up_bytes_are_refused_and_never_break_the_reader(raw):
    with pytest.raises(VaultError):
        parse(raw, BOUNDS)
    with pytest.raises(VaultError):
        parse(b"MOONDEV\0\0\1" + raw, Bounds())


@settings(max_examples=300)
@given(st.data())
def test_a_vault_with_anything_overwritten_cut_out_or_put_in_is_refused(sample, data):
    raw, key = sample
    at = data.draw(st.integers(0, len(raw) - 1))
    gone = data.draw(st.integers(0, 64))
    new = data.draw(st.binary(max_size=64))
    changed = raw[:at] + new + raw[at + gone :]
    if changed != raw:
        with pytest.raises(VaultError):
            opened(changed, key)
