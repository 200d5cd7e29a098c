"""Route to the flagged buckets: what stands out among pairs without a cell of their own."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from hub.api.access import ReadingKey
from hub.api.context import Context
from hub.flag_shelf import read_flagged

__all__ = ["BucketCandidateModel", "FlaggedBucketModel", "ResidualModel", "get_residual", "router"]

router = APIRouter(prefix="/v1", tags=["residual"])


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class BucketCandidateModel(_Model):
    """A pair of a flagged bucket; its share of what is expected there, null where margins do not tell."""

    drug: str
    reaction: str
    share: float | None


class FlaggedBucketModel(_Model):
    """Something among these pairs, never an SDR: a bucket of pairs in which more was counted than expected."""

    bucket: int
    n: Annotated[float, Field(description="Noisy count of bounded contributions")]
    n_sd: float
    expected: float
    q_value: float
    pair_count: int
    candidates: Annotated[list[BucketCandidateModel], Field(description="By falling share, a hundred at most")]


class ResidualModel(_Model):
    """What the newest look flagged among pairs without a cell of their own; `kelsey protocol promote` reads it."""

    protocol_hash: str
    era: str
    epoch: int | None
    epoch_end: date | None
    false_discovery_rate: float
    buckets: list[FlaggedBucketModel]


@router.get("/residual")
def get_residual(caller: ReadingKey, context: Context) -> ResidualModel:
    """Buckets of pairs without a cell of their own in which more was counted than expected, at the newest look."""
    with context.store.read() as connection:
        return ResidualModel.model_validate(msgspec.to_builtins(read_flagged(connection, context.protocol)))
