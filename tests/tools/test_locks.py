"""The lock guard: this repository's locks are sound, and each fault is named."""

from pathlib import Path

from tools import locks

ROOT = Path(__file__).resolve().parent.parent.parent
GOOD = "aiohttp==3.14.5 \\\n    --hash=sha256:00\nmsgspec==0.22.0 ; python_version < '3.12' \\\n    --hash=sha256:11\n"


def test_the_locks_of_this_repository_are_sound():
    assert list(locks.check_tree(ROOT)) == []


def test_a_good_lock_passes():
    assert list(locks.check_lock("x.lock", GOOD, ["aiohttp>=3.14", "msgspec>=0.20"])) == []


def test_a_host_name_in_a_lock_is_named_with_its_line():
    lock = "--extra-index-url https://user:secret@mirror.example/simple\n" + GOOD
    assert next(locks.check_lock("x.lock", lock, [])).startswith("x.lock:1: names a host")


def test_a_package_without_hash_is_refused():
    assert list(locks.check_lock("x.lock", GOOD.replace("    --hash=sha256:00\n", ""), [])) == [
        "x.lock: some packages have no hash"
    ]


def test_a_dependency_that_is_not_locked_says_to_lock_again():
    (problem,) = locks.check_lock("x.lock", GOOD, ["redis>=8"])
    assert "asks for redis>=8, the lock has nothing" in problem
    (problem,) = locks.check_lock("x.lock", GOOD, ["aiohttp>=4"])
    assert "the lock has 3.14.5; make the locks anew" in problem
