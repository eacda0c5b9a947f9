"""Known holes in what the lock names fail the check, by our own list and by what the database answers."""

import json
from datetime import date
from pathlib import Path

import pytest

from tools import audit

ROOT = Path(__file__).resolve().parent.parent.parent
OLD = "starlette==0.40.0 \\\n    --hash=sha256:00\n"
HOLE = {"package": "Starlette", "fixed_in": "0.49.1", "id": "CVE-2025-62727", "why": "quadratic time"}
TODAY = date(2026, 11, 30)


def test_an_old_version_with_a_hole_of_our_list_is_named_and_a_mended_one_is_not():
    assert list(audit.known_holes(OLD, [HOLE])) == [
        ("CVE-2025-62727", "Starlette 0.40.0: quadratic time; fixed in 0.49.1")
    ]
    assert list(audit.known_holes(OLD.replace("0.40.0", "0.49.1"), [HOLE])) == []


def test_every_row_of_our_list_can_be_read_and_touches_no_pin():
    advisories = json.loads((ROOT / "tools" / "advisories.json").read_text())
    assert list(audit.known_holes((ROOT / "requirements.lock").read_text(), advisories)) == []


def test_what_the_database_tells_is_named():
    package = {"name": "x", "version": "1", "vulns": [{"id": "GHSA-1", "fix_versions": ["2"]}]}
    assert list(audit.told_holes(json.dumps({"dependencies": [package]}))) == [("GHSA-1", "x 1; fixed in 2")]


@pytest.mark.parametrize(
    "answer", ["", "<html>", "[]", json.dumps({"dependencies": [{"name": "x", "skip_reason": "?"}]})]
)
def test_a_database_that_looked_at_nothing_does_not_pass_for_one_that_found_nothing(answer: str):
    with pytest.raises(audit.NotAsked):
        list(audit.told_holes(answer))


def test_an_accepted_hole_needs_a_reason_and_comes_back_after_its_day():
    hole = [("CVE-1", "x 1")]
    fine = {"id": "CVE-1", "reason": "we never parse it", "until": "2026-12-01"}
    assert list(audit.not_accepted(iter(hole), [fine], TODAY)) == []
    assert list(audit.not_accepted(iter(hole), [fine | {"reason": ""}], TODAY)) == hole
    assert list(audit.not_accepted(iter(hole), [fine | {"until": "2026-11-29"}], TODAY)) == hole
