"""What is running: one hash over the product's own source, one over its locked dependencies."""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("bot", "domain", "engine", "exchanges", "gateway", "research", "risk", "vault")
SUFFIXES = frozenset({".py", ".yaml"})
LOCK = "requirements.lock"


def build_hash(root: Path = ROOT) -> str:
    """SHA-256 (hex) over path and content of every source file of the product, in order of path."""
    files = [root / "main.py", *(file for room in ROOMS for file in (root / room).rglob("*"))]
    total = hashlib.sha256()
    for file in sorted(files, key=lambda path: path.relative_to(root).as_posix()):
        if file.suffix in SUFFIXES and file.is_file():
            total.update(file.relative_to(root).as_posix().encode() + b"\0")
            total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def lock_hash(root: Path = ROOT) -> str:
    """SHA-256 (hex) of the dependency lock, "" where there is none."""
    lock = root / LOCK
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else ""
