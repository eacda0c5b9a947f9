"""What `moondev vault` prints: tables for people, JSON for programs. No value, ever."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from domain.setup import VaultFound
from vault import access, backup, disk
from vault.closed import guessing, unlock_s
from vault.crypto import Bounds
from vault.errors import VaultError
from vault.format import parse
from vault.store import Vault

DAY_NS = 86_400 * 10**9


def age(created_ns: int) -> str:
    """How old something is."""
    days = max(0, time.time_ns() - created_ns) // DAY_NS
    return "today" if not days else f"{days} d"


def list_text(vault: Vault) -> str:
    """All records."""
    rows = [("NAME", "KIND", "VERSION", "AGE", "FINGERPRINT")]
    rows += [(v.name, str(v.kind), str(v.version), age(v.created_ns), v.fingerprint) for v in vault.records()]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.append(f"{len(rows) - 1} records, write {vault.sequence}, master key of {age(vault.file.master_created_ns)}")
    return "\n".join(lines)


def list_json(vault: Vault) -> str:
    """The same for programs."""
    return _json({**_header(vault), "records": vault.records()})


def verified(vault: Vault, bounds: Bounds) -> list[str]:
    """Problems of an open vault, its copies and its log. Every value is decrypted."""
    vault.records()
    return backup.examine(vault.path, vault.keys, bounds)


def verify_text(vault: Vault, problems: Sequence[str]) -> str:
    """What was looked at, and what is wrong."""
    copies = len(disk.backups(vault.path))
    lines, _ = access.read_from(disk.log_path(vault.path))
    head = (
        f"Every value of {len(vault.file.records)} decrypts, every byte is as it was written (write {vault.sequence}). "
        f"{copies} copies beside it and {len(lines)} lines of the access log were looked at: "
    )
    return head + ("all is well." if not problems else "\n".join(["", *(f"  !! {line}" for line in problems)]))


def verify_json(vault: Vault, problems: Sequence[str]) -> str:
    """The same for programs."""
    return _json({**_header(vault), "ok": not problems, "problems": problems})


def doctor_text(path: Path, found: Sequence[VaultFound], bounds: Bounds) -> str:
    """What was found, and what guessing a passphrase costs."""
    lines = []
    for one in found:
        lines.append(f"{'ok  ' if one.ok else 'FAIL' if one.severe else 'WARN'} {one.text}")
        lines += [f"     -> {one.fix}"] if one.fix and not one.ok else []
    try:
        cost = parse(disk.read(path), bounds)[0].cost
        lines += ["", *guessing(cost, unlock_s(cost))]
    except VaultError:
        lines += ["", "What a guess costs is not known: the vault cannot be read."]
    return "\n".join(lines)


def doctor_json(path: Path, found: Sequence[VaultFound], bounds: Bounds) -> str:
    """The same for programs; `unlock_ms` is measured here."""
    report: dict[str, Any] = {"ok": all(one.ok or not one.severe for one in found), "found": found}
    try:
        file, _ = parse(disk.read(path), bounds)
        report |= {"sequence": file.sequence, "cost": file.cost, "unlock_ms": round(unlock_s(file.cost) * 1000, 1)}
    except VaultError:
        report |= {"sequence": None, "cost": None, "unlock_ms": None}
    return _json(report)


def _header(vault: Vault) -> dict[str, Any]:
    file = vault.file
    return {
        "path": str(vault.path),
        "id": file.id.hex(),
        "sequence": file.sequence,
        "generation": file.generation,
        "master_created_ns": file.master_created_ns,
        "needs_key_file": file.needs_key_file,
    }


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode()
