"""The ring of a stream's newest frames."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ring import Ring


@given(
    sizes=st.lists(st.integers(1, 40), max_size=120),
    kept_frames=st.integers(1, 30),
    kept_bytes=st.integers(1, 300),
    chunk=st.integers(1, 100),
)
@settings(max_examples=50)
def test_whoever_has_a_frame_gets_all_later_ones_in_order_or_is_told_that_they_are_gone(
    sizes: list[int], kept_frames: int, kept_bytes: int, chunk: int
):
    ring = Ring(kept_frames, kept_bytes)
    frames = [bytes([n % 251]) * size for n, size in enumerate(sizes)]
    for n, frame in enumerate(frames):
        ring.add(frame)
        assert ring.last == n + 1
        assert len(ring._frames) <= kept_frames
        assert ring._bytes == sum(map(len, ring._frames))
        assert ring._bytes <= kept_bytes or len(ring._frames) <= 1
    for start in range(max(0, ring._gone - 1), len(frames) + 2):
        assert ring.has(start) == (ring._gone <= start <= len(frames))
        if not ring.has(start):
            continue
        n, got = start, b""
        while n < ring.last:
            n_after, some = ring.after(n, ring.last, chunk)
            assert n_after > n
            assert len(some) <= chunk or n_after == n + 1
            n, got = n_after, got + some
        assert got == b"".join(frames[start:])
