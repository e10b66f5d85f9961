"""Names to random-number keys: a stream is found by what it is, not by when it was asked for."""

import hashlib
from collections.abc import Iterable
from operator import index as as_int

import numpy as np
from numpy.typing import NDArray

_KEY_BYTES = 8
_LENGTH_BYTES = 8


def stream_key(seed: int, *names: str) -> int:
    """The 64-bit key of the stream called *names* under *seed*.

    The key is the first 8 bytes, little-endian, of BLAKE2b (doi:10.17487/RFC7693) over the seed and
    the names. Every part is preceded by its length, so no two different calls hash the same bytes:
    ("ab", "c") and ("a", "bc") are different streams. Any integer is a seed, negative ones and
    those beyond 64 bits too.
    """
    return int(stream_keys(seed, [names])[0])


def stream_keys(seed: int, names: Iterable[tuple[str, ...]]) -> NDArray[np.uint64]:
    """The keys of many streams, in the order of *names*."""
    number = as_int(seed)
    # One spare bit for the sign: two's complement is then unique for every integer.
    first = _framed(number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True))
    begun = hashlib.blake2b(first)
    digests = bytearray()
    for parts in names:
        one = begun.copy()
        one.update(b"".join([_framed(name.encode()) for name in parts]))
        digests += one.digest()[:_KEY_BYTES]
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(_LENGTH_BYTES, "little") + part
