"""The lock guard: the locks name no host or path, carry hashes, and satisfy pyproject.toml.

python -m tools.locks [ROOT]
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HOST_OR_PATH = re.compile(r"https?://|file:|--(extra-)?index-url|--find-links|--trusted-host", re.IGNORECASE)
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)(?=.*\\$)", re.MULTILINE)


def read_pins(lock: str) -> dict[str, list[str]]:
    """Read a lock's text as name -> versions; a name has several where markers fork it."""
    pins: dict[str, list[str]] = {}
    for name, version in PIN.findall(lock):
        pins.setdefault(canonicalize_name(name), []).append(version)
    return pins


def check_lock(name: str, lock: str, wanted: list[str]) -> Iterator[str]:
    """Yield what is wrong with one lock, given the requirements it has to satisfy."""
    for number, line in enumerate(lock.splitlines(), 1):
        if HOST_OR_PATH.search(line):
            yield f"{name}:{number}: names a host or a path: {line.strip()}"
    pins = read_pins(lock)
    hashed = lock.count("--hash=sha256:")
    if hashed < sum(map(len, pins.values())):
        yield f"{name}: some packages have no hash"
    for text in wanted:
        requirement = Requirement(text)
        versions = pins.get(canonicalize_name(requirement.name), [])
        if not any(requirement.specifier.contains(version, prereleases=True) for version in versions):
            found = ", ".join(versions) or "nothing"
            yield f"{name}: pyproject.toml asks for {text}, the lock has {found}; make the locks anew"


def check_tree(root: Path) -> Iterator[str]:
    """Yield what is wrong with the locks of a repository."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    runtime: list[str] = project["project"]["dependencies"]
    dev: list[str] = project["dependency-groups"]["dev"]
    runtime_lock, dev_lock = ((root / name).read_text() for name in ("requirements.lock", "requirements-dev.lock"))
    yield from check_lock("requirements.lock", runtime_lock, runtime)
    yield from check_lock("requirements-dev.lock", dev_lock, runtime + dev)
    dev_pins = read_pins(dev_lock)
    for name, versions in read_pins(runtime_lock).items():
        if dev_pins.get(name) != versions:
            yield f"requirements-dev.lock: {name} is {dev_pins.get(name)}, but {versions} in requirements.lock"


def main() -> int:
    """Print the problems; 1 when there are any."""
    problems = list(check_tree(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
    print("\n".join(problems) if problems else "locks: hashed, without hosts, in step with pyproject.toml")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
