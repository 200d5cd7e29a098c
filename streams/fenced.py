"""A worker that lost its partition tried to write."""

from __future__ import annotations

from cases import KelseyError

__all__ = ["FencedError"]


class FencedError(KelseyError):
    """The stored offset is not the one this worker started from: another one has the partition, or had it in between.

    Nothing was written. The worker drops the batch and reads the stored offset again.
    """

    code = "fenced"

    def __init__(self, topic: str, partition: int) -> None:
        super().__init__(f"partition {partition} of {topic} was moved on by another worker")
