"""The primitives of the vault, all of them from `cryptography`: nothing is invented here.

Argon2id     RFC 9106: passphrase (and key file) to key-encryption key
AES-KW       RFC 3394: one key wrapped by another
AES-256-GCM  NIST SP 800-38D: a value, with its identity as associated data
HKDF, HMAC   RFC 5869, RFC 2104, both with SHA-256: one key per purpose; the mark over the whole file
"""

from __future__ import annotations

import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from msgspec import Struct

from vault.errors import VaultDamaged, VaultError, WrongPassphrase

KEY_BYTES = 32
WRAPPED_BYTES = KEY_BYTES + 8
NONCE_BYTES = 12
TAG_BYTES = 16
SALT_BYTES = 16
MAC_BYTES = 32
KIB_PER_MIB = 1024


class Cost(Struct, frozen=True):
    """What one guess of the passphrase costs (Argon2id). The default takes about a second and 256 MiB."""

    memory_kib: int = 256 * KIB_PER_MIB
    iterations: int = 3
    lanes: int = 4


class Bounds(Struct, frozen=True):
    """Costs that a file may ask for: less is too cheap to guess, more would stop the machine that opens it."""

    least: Cost = Cost(64 * KIB_PER_MIB, 3, 4)
    most: Cost = Cost(2048 * KIB_PER_MIB, 16, 16)

    def problem(self, cost: Cost) -> str:
        """What is wrong with a cost; "" when nothing is."""
        least, most = self.least, self.most
        for name, value, low, high in (
            ("memory", cost.memory_kib, least.memory_kib, most.memory_kib),
            ("iterations", cost.iterations, least.iterations, most.iterations),
            ("lanes", cost.lanes, least.lanes, most.lanes),
        ):
            if not low <= value <= high:
                return f"Argon2id with {name} {value}, where {low} to {high} is allowed"
        return ""


DEFAULT_COST = Cost()
BOUNDS = Bounds()


def stretch(passphrase: bytes | bytearray, salt: bytes, cost: Cost, *, secret: bytes, ad: bytes) -> bytearray:
    """A 32-byte key from a passphrase. `secret` and `ad` are Argon2's own inputs K and X. Raises `VaultError`."""
    key = bytearray(KEY_BYTES)
    kdf = Argon2id(
        salt=salt,
        length=KEY_BYTES,
        iterations=cost.iterations,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
        ad=ad or None,
        secret=secret or None,
    )
    try:
        kdf.derive_into(passphrase, key)  # type: ignore[arg-type]  # takes any buffer
    except MemoryError:
        mib = cost.memory_kib // KIB_PER_MIB
        raise VaultError(f"opening this vault takes {mib} MiB of memory, which this machine does not have") from None
    return key


def subkey(master: bytes | bytearray, purpose: bytes) -> bytes:
    """The key of one purpose."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(master)


def wrap(key: bytes | bytearray, inner: bytes | bytearray) -> bytes:
    """One key under another, 8 bytes longer."""
    return aes_key_wrap(bytes(key), bytes(inner))


def unwrap(key: bytes | bytearray, wrapped: bytes) -> bytearray:
    """The inner key. Raises `WrongPassphrase` when the outer key is not the one it was wrapped with."""
    try:
        return bytearray(aes_key_unwrap(bytes(key), wrapped))
    except InvalidUnwrap:
        raise WrongPassphrase("wrong passphrase or key file") from None


def seal(key: bytes | bytearray, value: bytes | bytearray, identity: bytes) -> tuple[bytes, bytes]:
    """A value under a key that is used only once: nonce, and ciphertext with its tag."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce, AESGCM(bytes(key)).encrypt(nonce, value, identity)


def unseal(key: bytes | bytearray, nonce: bytes, sealed: bytes, identity: bytes) -> bytearray:
    """The value. Raises `VaultDamaged` when ciphertext, nonce, identity or key is not what was sealed."""
    value = bytearray(len(sealed) - TAG_BYTES)
    try:
        AESGCM(bytes(key)).decrypt_into(nonce, sealed, identity, value)
    except InvalidTag:
        raise VaultDamaged("a sealed value is not what was written") from None
    return value


def mac(key: bytes, content: bytes) -> bytes:
    """HMAC-SHA256."""
    return hmac.digest(key, content, "sha256")


def same(one: bytes, other: bytes) -> bool:
    """Equality in constant time."""
    return hmac.compare_digest(one, other)
