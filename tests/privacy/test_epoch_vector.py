import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.errors import IntegrityError, ParameterError
from privacy.epoch_vector import EpochVector

weights = st.dictionaries(st.integers(0, 2**22), st.integers(-(2**40), 2**40), max_size=30)


def as_dict(vector: EpochVector) -> dict[int, int]:
    return dict(zip(vector.cells.tolist(), vector.weights.tolist(), strict=True))


@given(weights)
def test_codec_gives_back_the_same_and_equal_vectors_have_one_digest(given: dict[int, int]) -> None:
    vector = EpochVector.of(given)
    again = EpochVector.decode(vector.encode())
    assert as_dict(again) == {cell: weight for cell, weight in given.items() if weight}
    assert again.digest == vector.digest == EpochVector.of(dict(reversed(given.items()))).digest


@given(st.lists(weights.map(lambda item: {cell: weight // 64 for cell, weight in item.items()}), max_size=5))
def test_merging_parts_is_summing_their_operations_in_any_order(parts: list[dict[int, int]]) -> None:
    merged = EpochVector.merge([EpochVector.of(part) for part in parts])
    operations = [item for part in reversed(parts) for item in part.items()]
    assert as_dict(merged) == as_dict(EpochVector.sum(operations))


def test_digests_differ_where_anything_differs() -> None:
    vectors = [{}, {0: 1}, {1: 1}, {0: 2}, {0: -1}, {0: 1, 1: 1}]
    assert len({EpochVector.of(vector).digest for vector in vectors}) == len(vectors)


def test_vectors_cannot_be_changed_afterwards() -> None:
    vector = EpochVector.of({3: 5})
    with pytest.raises(ValueError, match="read-only"):
        vector.weights[0] = 6


@pytest.mark.parametrize(
    ("cells", "values"),
    [([1, 1], [1, 1]), ([2, 1], [1, 1]), ([-1], [1]), ([1], [0]), ([1], [2**40 + 1]), ([1], [-(2**63)]), ([1, 2], [1])],
)
def test_wrong_vectors_are_refused(cells: list[int], values: list[int]) -> None:
    with pytest.raises(ParameterError):
        EpochVector(np.array(cells, dtype=np.int64), np.array(values, dtype=np.int64))


def test_wrong_types_are_refused() -> None:
    with pytest.raises(ParameterError, match="int64"):
        EpochVector(np.array([1.0]), np.array([1]))


def test_damaged_bytes_are_refused() -> None:
    data = EpochVector.of({3: 5, 9: -2}).encode()
    swapped = data[:-32] + data[-24:-16] + data[-32:-24] + data[-16:]
    for damaged in (b"", data[:-1], data + b"\x00", b"x" + data[1:], swapped):
        with pytest.raises(IntegrityError):
            EpochVector.decode(damaged)
