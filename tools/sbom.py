"""The bill of materials: everything that is installed or shipped, in CycloneDX, at build/sbom.cdx.json.

    python -m tools.sbom [FILE]

Packages come from the runtime lock with their hashes; what is copied into the repository (scripts of the dashboard)
comes from `vendored.json` beside it, whose hashes must fit the files. What is made is read back and must hold
every pin.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name

from tools.locks import read_pins

ROOT = Path(__file__).resolve().parent.parent
VENDOR = Path("gateway/dashboard/static/vendor")
PACKAGES = ("-m", "cyclonedx_py", "requirements", "requirements.lock", "--pyproject", "pyproject.toml")
SCRIPTS = frozenset({".js", ".mjs", ".css", ".woff2"})


def vendored(root: Path) -> list[dict[str, str]]:
    """What is copied into the repository."""
    found: list[dict[str, str]] = json.loads((root / VENDOR / "vendored.json").read_text())
    return found


def vendor_problems(root: Path) -> Iterator[str]:
    """Yield each copied file that is not what `vendored.json` says, or that it does not name."""
    listed = {one["file"]: one["sha256"] for one in vendored(root)}
    there = {file.name: file for file in sorted((root / VENDOR).iterdir()) if file.suffix in SCRIPTS}
    for name in sorted(listed.keys() | there.keys()):
        if name not in listed:
            yield f"{VENDOR / name} is not named in vendored.json"
        elif name not in there:
            yield f"{VENDOR / name} is named in vendored.json and is not there"
        elif hashlib.sha256(there[name].read_bytes()).hexdigest() != listed[name]:
            yield f"{VENDOR / name} is not the file whose hash is in vendored.json"


def component(one: dict[str, str]) -> dict[str, Any]:
    """A copied file as CycloneDX writes it."""
    return {
        "bom-ref": f"vendored-{one['name']}",
        "type": "library",
        "name": one["name"],
        "version": one["version"],
        "purl": f"pkg:npm/{one['name']}@{one['version']}",
        "licenses": [{"license": {"id": one["license"]}}],
        "hashes": [{"alg": "SHA-256", "content": one["sha256"]}],
    }


def make(root: Path) -> dict[str, Any]:
    """The bill of a repository. Raises `subprocess.CalledProcessError`."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        *PACKAGES,
        "--of",
        "JSON",
        "--output-reproducible",
        "--no-validate",
        "-o",
        "-",
    ]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    bill: dict[str, Any] = json.loads(done.stdout)
    for package in bill["components"]:
        package.pop("description", None)  # the line of the lock, told by everything else
    bill["components"] += [component(one) for one in vendored(root)]
    return bill


def bill_problems(bill: dict[str, Any], lock: str) -> Iterator[str]:
    """Yield every pin that the bill does not name, and how it breaks its own schema."""
    named = {(canonicalize_name(one["name"]), one["version"]) for one in bill["components"]}
    for name, versions in read_pins(lock).items():
        for version in versions:
            if (name.lower().replace("_", "-").replace(".", "-"), version) not in named and (
                name,
                version,
            ) not in named:
                yield f"{name} {version} is in the lock and not in the bill"
    schema = SchemaVersion.from_version(bill["specVersion"])
    if (fault := JsonStrictValidator(schema).validate_str(json.dumps(bill))) is not None:
        yield f"it is no CycloneDX: {fault}"


def main() -> int:
    """Write the bill; 1 when something of it cannot be right."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "sbom.cdx.json"
    bill = make(ROOT)
    problems = [*vendor_problems(ROOT), *bill_problems(bill, (ROOT / "requirements.lock").read_text())]
    if problems:
        print("\n".join(problems))
        return 1
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(bill, indent=1, sort_keys=True) + "\n")
    print(f"{len(bill['components'])} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())
