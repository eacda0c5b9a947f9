"""The primitives are the published ones: each gives its standard's own example, called the way the vault calls it."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.vault.conftest import CHEAP
from vault import crypto
from vault.crypto import BOUNDS, Bounds, Cost
from vault.errors import VaultDamaged, VaultError, WrongPassphrase

hexed = bytes.fromhex


def test_argon2id_is_rfc_9106_section_5_3():
    tag = crypto.stretch(b"\x01" * 32, b"\x02" * 16, Cost(32, 3, 4), secret=b"\x03" * 8, ad=b"\x04" * 12)
    assert tag.hex() == "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"


def test_aes_gcm_is_test_case_16_of_its_specification():
    key = hexed("feffe9928665731c6d6a8f9467308308" * 2)
    nonce = hexed("cafebabefacedbaddecaf888")
    value = hexed(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
        "ba637b39"
    )
    identity = hexed("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    sealed = hexed(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0a"
        "bcc9f662" + "76fc6ece0f4e1768cddf8853bb2d551b"
    )
    assert AESGCM(key).encrypt(nonce, value, identity) == sealed
    assert crypto.unseal(key, nonce, sealed, identity) == value


@pytest.mark.parametrize(
    ("kek", "key", "wrapped"),
    [
        (
            "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
            "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
            "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21",
        ),
        (
            "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
            "00112233445566778899AABBCCDDEEFF0001020304050607",
            "A8F9BC1612C68B3FF6E6F4FBE30E71E4769C8B80A32CB8958CD5D17D6B254DA1",
        ),
        (
            "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
            "00112233445566778899AABBCCDDEEFF",
            "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7",
        ),
    ],
)
def test_key_wrap_is_rfc_3394_sections_4_3_to_4_6(kek, key, wrapped):
    assert crypto.wrap(hexed(kek), hexed(key)) == hexed(wrapped)
    assert crypto.unwrap(hexed(kek), hexed(wrapped)) == hexed(key)


def test_hmac_is_rfc_4231_test_case_2():
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert crypto.mac(b"Jefe", b"what do ya want for nothing?").hex() == expected


def test_purposes_have_keys_that_have_nothing_in_common():
    keys = [crypto.subkey(b"m" * 32, purpose) for purpose in (b"one", b"two", b"one ")]
    assert len(set(keys)) == len(keys)
    assert crypto.subkey(b"m" * 32, b"one") == keys[0]


def test_a_value_is_refused_under_another_key_nonce_or_identity():
    nonce, sealed = crypto.seal(b"k" * 32, b"value", b"who")
    assert crypto.unseal(b"k" * 32, nonce, sealed, b"who") == b"value"
    for key, other, identity in ((b"l", nonce, b"who"), (b"k", bytes(12), b"who"), (b"k", nonce, b"whom")):
        with pytest.raises(VaultDamaged):
            crypto.unseal(key * 32, other, sealed, identity)


def test_a_wrapped_key_is_refused_under_another_key():
    with pytest.raises(WrongPassphrase):
        crypto.unwrap(b"l" * 32, crypto.wrap(b"k" * 32, b"m" * 32))


def test_no_nonce_and_no_ciphertext_repeat_for_the_same_value():
    sealed = [crypto.seal(b"k" * 32, b"value", b"who") for _ in range(50)]
    assert len({nonce for nonce, _ in sealed}) == len({text for _, text in sealed}) == len(sealed)


@pytest.mark.parametrize(
    "cost",
    [
        Cost(64 * 1024 - 1),
        Cost(iterations=2),
        Cost(lanes=3),
        Cost(2048 * 1024 + 1),
        Cost(iterations=17),
        Cost(lanes=17),
    ],
)
def test_a_cost_below_the_floor_or_above_the_ceiling_is_refused(cost):
    assert "is allowed" in BOUNDS.problem(cost)


def test_the_default_and_the_floor_are_what_the_documents_say():
    assert BOUNDS.problem(Cost()) == ""
    assert Cost() == Cost(256 * 1024, 3, 4)
    assert BOUNDS.least == Cost(64 * 1024, 3, 4)
    assert Bounds() == BOUNDS
    assert BOUNDS.problem(CHEAP) != ""


def test_a_machine_without_the_memory_is_told_how_much_it_takes(monkeypatch):
    class Refusing:
        def __init__(self, **_: object) -> None:
            pass

        def derive_into(self, *_: object) -> None:
            raise MemoryError

    monkeypatch.setattr(crypto, "Argon2id", Refusing)
    with pytest.raises(VaultError, match="takes 256 MiB of memory, which this machine does not have"):
        crypto.stretch(b"p", bytes(16), Cost(), secret=b"", ad=b"")
