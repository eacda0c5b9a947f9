"""A reader of vault files by somebody who has docs/vault.md and nothing else of this repository."""

from __future__ import annotations

import hashlib
import hmac
import struct
import unicodedata
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

LABEL = b"moondev-vault-1"
KINDS = {1: "exchange", 2: "owner", 3: "service"}


def read_vault(file: Path, passphrase: str, key_file: Path | None = None) -> dict[str, tuple[str, bytes]]:
    """Kind and value by name."""
    raw = file.read_bytes()
    body, mark = raw[:-32], raw[-32:]
    magic, version, flags, vault_id = struct.unpack(">8sHH16s", body[:28])
    assert (magic, version) == (b"MOONDEV\0", 1)
    memory, iterations, lanes, salt, wrapped_master, count = struct.unpack(">III16s40sI", body[48:120])
    text = " ".join(unicodedata.normalize("NFC", passphrase).split()).encode()
    kek = Argon2id(
        salt=salt,
        length=32,
        iterations=iterations,
        lanes=lanes,
        memory_cost=memory,
        ad=LABEL + vault_id,
        secret=hashlib.sha256(key_file.read_bytes()).digest() if flags & 1 and key_file else None,
    ).derive(text)
    master = aes_key_unwrap(kek, wrapped_master)

    def purpose(name: str) -> bytes:
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=LABEL + b" " + name.encode()).derive(master)

    assert hmac.compare_digest(hmac.digest(purpose("manifest"), body, "sha256"), mark)
    found, at = {}, 120
    for _ in range(count):
        kind, length = body[at + 28], body[at + 29]
        name_end = at + 30 + length
        head, name = body[at:name_end], body[at + 30 : name_end].decode("ascii")
        wrapped, nonce, size = struct.unpack(">40s12sI", body[name_end : name_end + 56])
        sealed = body[name_end + 56 : name_end + 56 + size]
        data_key = aes_key_unwrap(purpose("wrap"), wrapped)
        found[name] = KINDS[kind], AESGCM(data_key).decrypt(nonce, sealed, LABEL + vault_id + head)
        at = name_end + 56 + size
    assert at == len(body)
    return found
