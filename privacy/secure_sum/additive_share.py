"""Additive shares of integer vectors modulo 2**64: one as a seed of 32 bytes, the other as the vector itself.

Each share alone is uniformly random, whatever the values are; both added up, modulo 2**64, are the values. Sums and
integer multiples of shares are shares of the sums and multiples, so that counting, encoding and adding noise can all
happen before anything is put together.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from numpy.typing import NDArray

from cases.errors import ParameterError

__all__ = ["SEED_BYTES", "Words", "expand_seed", "join_shares", "split_vector"]

SEED_BYTES = 32
_NONCE = bytes(16)  # a seed is used for one vector only
_ZEROS = memoryview(bytes(1 << 16))  # encrypted piece by piece: stays in the cache
_ROOM_WORDS = 2  # what the cipher wants to see behind a piece, a block less a byte

Words = NDArray[np.uint64]
"""Integers modulo 2**64; numpy's arithmetic on them wraps around."""


def expand_seed(seed: bytes, length: int) -> Words:
    """The share a seed stands for, shape (length,): AES-256 in counter mode, little-endian words.

    Raises `ParameterError` unless the seed has 32 bytes.
    """
    if len(seed) != SEED_BYTES:
        raise ParameterError(f"a seed must have {SEED_BYTES} bytes, not {len(seed)}")
    encryptor = Cipher(AES256(seed), CTR(_NONCE)).encryptor()
    words = np.empty(length + _ROOM_WORDS, dtype="<u8")
    stream = words.data.cast("B")
    for start in range(0, 8 * length, len(_ZEROS)):
        piece = _ZEROS[: 8 * length - start]
        encryptor.update_into(piece, stream[start : start + len(piece) + 8 * _ROOM_WORDS])
    return words[:length].astype(np.uint64, copy=False)


def split_vector(
    values: NDArray[np.int64], *, random_bytes: Callable[[int], bytes] = os.urandom
) -> tuple[bytes, Words]:
    """A seed and the words that together are `values`.

    Parameters
    ----------
    values
        Shape (n,), int64.
    random_bytes
        Source of the seed; anything but the operating system's is for tests.

    Examples
    --------
    >>> seed, words = split_vector(np.array([3, -1, 0]))
    >>> join_shares(expand_seed(seed, 3), words)
    array([ 3, -1,  0])
    """
    if values.dtype != np.int64 or values.ndim != 1:
        raise ParameterError(f"values must be a one-dimensional int64 array, not {values.dtype} of {values.ndim} axes")
    seed = random_bytes(SEED_BYTES)
    return seed, values.view(np.uint64) - expand_seed(seed, len(values))


def join_shares(first: Words, second: Words) -> NDArray[np.int64]:
    """The values two shares stand for, as signed integers; right as long as each lies within 63 bits."""
    if first.shape != second.shape:
        raise ParameterError(f"shares must have one shape, not {first.shape} and {second.shape}")
    return (first + second).view(np.int64)
