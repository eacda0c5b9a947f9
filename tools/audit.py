"""The dependency audit: no package of the runtime lock has a known hole.

    python -m tools.audit

Asked in two places. `tools/advisories.json` holds holes that we know of and is always looked at; the Open Source
Vulnerabilities database (osv.dev) is asked through pip-audit where it can be reached, and where not, that is said and
is no failure, unless MOONDEV_AUDIT=required (for a machine with a network, before a release).

A hole that does not touch us is written into `tools/accepted.json` with its reason and a day on which to look again.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from tools.locks import read_pins

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
ASK = ("-m", "pip_audit", "-r", str(LOCK), "--disable-pip", "--require-hashes", "-s", "osv", "-f", "json")
TIMEOUT_S = 90


class NotAsked(Exception):
    """The database cannot be reached from here."""


def known_holes(lock: str, advisories: Sequence[dict[str, str]]) -> Iterator[tuple[str, str]]:
    """The (id, sentence) of every hole on our own list that a pinned version has."""
    pins = read_pins(lock)
    for hole in advisories:
        for version in pins.get(canonicalize_name(hole["package"]), []):
            if Version(version) < Version(hole["fixed_in"]):
                yield hole["id"], f"{hole['package']} {version}: {hole['why']}; fixed in {hole['fixed_in']}"


def told_holes(answer: str) -> Iterator[tuple[str, str]]:
    """The same, from what pip-audit prints. Raises `NotAsked` when it looked at nothing."""
    try:
        packages = json.loads(answer)["dependencies"]
    except (json.JSONDecodeError, KeyError, TypeError):
        raise NotAsked("its answer makes no sense") from None
    if not any("vulns" in package for package in packages):
        raise NotAsked("it knows none of the packages")
    for package in packages:
        for hole in package.get("vulns", []):
            fixed = ", ".join(hole["fix_versions"]) or "no version yet"
            yield hole["id"], f"{package['name']} {package['version']}; fixed in {fixed}"


def ask() -> str:
    """What pip-audit prints. Raises `NotAsked`."""
    command = [sys.executable, *ASK, "--progress-spinner", "off", "--timeout", "10"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise NotAsked(f"no answer in {TIMEOUT_S} s") from None
    if not done.stdout.strip():
        raise NotAsked(done.stderr.strip().rpartition("\n")[2].partition(":")[0] or "no answer")
    return done.stdout


def not_accepted(
    holes: Iterator[tuple[str, str]], accepted: Sequence[dict[str, str]], today: date
) -> Iterator[tuple[str, str]]:
    """Holes without a reason in force; an acceptance ends on its day."""
    reasons = {one["id"] for one in accepted if one["reason"] and date.fromisoformat(one["until"]) >= today}
    return (hole for hole in holes if hole[0] not in reasons)


def main() -> int:
    """Print what is found; 1 for a hole, or where the database had to be asked and could not."""
    advisories, accepted = (
        json.loads((ROOT / "tools" / name).read_text()) for name in ("advisories.json", "accepted.json")
    )
    lock, today = LOCK.read_text(), datetime.now(UTC).date()
    found = dict(not_accepted(known_holes(lock, advisories), accepted, today))
    missing = ""
    try:
        found |= dict(not_accepted(told_holes(ask()), accepted, today))
    except NotAsked as problem:
        missing = f"osv.dev was not asked: {problem}; our own list of {len(advisories)} holes was looked at"
    lines = [f"{name}  {words}" for name, words in found.items()]
    lines += [missing] if missing else []
    print("\n".join(lines) or "no known hole in what the lock names")
    return 1 if found or (missing and os.environ.get("MOONDEV_AUDIT") == "required") else 0


if __name__ == "__main__":
    sys.exit(main())
