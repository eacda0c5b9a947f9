"""The bill of materials holds every pin and every copied file, and is what scanners read."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tools import sbom

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def bill() -> dict[str, object]:
    return sbom.make(ROOT)


def test_the_bill_of_this_repository_is_whole_and_fits_its_schema(bill: dict[str, object]) -> None:
    assert list(sbom.bill_problems(bill, (ROOT / "requirements.lock").read_text())) == []


def test_a_pin_that_the_bill_does_not_name_is_told(bill: dict[str, Any]) -> None:
    bill = {**bill, "components": bill["components"][:1]}  # the schema of a short bill is looked at quickly
    lock = "evil==6.6.6 \\\n    --hash=sha256:00\n"
    assert list(sbom.bill_problems(bill, lock)) == ["evil 6.6.6 is in the lock and not in the bill"]


def test_the_bill_names_no_host_of_whoever_made_it(bill: dict[str, object]) -> None:
    assert "file:" not in json.dumps(bill)
    assert str(ROOT) not in json.dumps(bill)


def test_a_copied_script_that_was_changed_added_or_lost_is_told(tmp_path: Path) -> None:
    there = tmp_path / sbom.VENDOR
    shutil.copytree(ROOT / sbom.VENDOR, there)
    assert list(sbom.vendor_problems(tmp_path)) == []
    changed, lost = sorted(one["file"] for one in sbom.vendored(tmp_path))
    (there / changed).write_text("alert(1)")
    (there / lost).unlink()
    (there / "added.js").write_text("alert(2)")
    told = "\n".join(sbom.vendor_problems(tmp_path))
    assert f"{changed} is not the file" in told
    assert f"{lost} is named in vendored.json and is not there" in told
    assert "added.js is not named" in told


def test_hashes_of_copied_scripts_stand_in_the_bill(bill: dict[str, object]) -> None:
    script = next((ROOT / sbom.VENDOR).glob("*.js"))
    assert hashlib.sha256(script.read_bytes()).hexdigest() in json.dumps(bill)
