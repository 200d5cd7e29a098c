"""Shapes of the interface's requests and answers."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from hub.intake import ReceiptStatus
from hub.lifecycle import SdrState
from hub.pair_state import PairState
from hub.roles import Role
from hub.subscriptions import DeliveryStatus, SubscriptionStatus
from privacy.secure_sum import Role as AggregatorRole

__all__ = [
    "NO_NUL",
    "DeliveryModel",
    "KeyModel",
    "KeyRequest",
    "LatestReleaseModel",
    "NewKeyModel",
    "NewSubscriptionModel",
    "PairOverviewModel",
    "PairPoint",
    "PairSeries",
    "Problem",
    "ReceiptModel",
    "SdrDetail",
    "SdrModel",
    "SdrPage",
    "StatisticModel",
    "SubscriptionModel",
    "SubscriptionRequest",
    "SumReceiptModel",
    "TransitionModel",
    "TransitionRequest",
    "model_of",
]  # fmt: skip

NO_NUL = r"^[^\x00]*$"  # PostgreSQL keeps any text but this
_Name = Annotated[str, Field(min_length=1, max_length=512, pattern=NO_NUL)]
_Epoch = Annotated[int, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(_Model):
    """An error (RFC 9457); `code` is stable."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str | None = None


class ReceiptModel(_Model):
    """The release is stored durably."""

    status: ReceiptStatus
    site: str
    era: str
    epoch: _Epoch
    sequence: Annotated[int, Field(ge=0)]
    digest: Annotated[str, Field(description="SHA-256 of the signed line")]


class SumReceiptModel(_Model):
    """An aggregator's share of a sum is stored durably."""

    status: ReceiptStatus
    role: AggregatorRole
    era: str
    epoch: _Epoch
    digest: Annotated[str, Field(description="SHA-256 of the message")]
    is_complete: Annotated[bool, Field(description="Whether the other aggregator's share is there too")]


class LatestReleaseModel(_Model):
    """The newest release of a site that the hub holds: what the site's ledger must know of."""

    era: str
    epoch: _Epoch
    sequence: Annotated[int, Field(ge=0)]
    digest: Annotated[str, Field(description="SHA-256 of the signed line")]


class StatisticModel(_Model):
    """Measures of a pair; null where there is too little information or no upper bound."""

    n: Annotated[float | None, Field(description="Noisy count of bounded contributions; may be negative")]
    n_sd: Annotated[float | None, Field(description="Standard deviation of the privacy noise in n")]
    expected: float | None
    prr: float | None
    prr_lower: float | None
    prr_upper: float | None
    ror: float | None
    ror_lower: float | None
    ror_upper: float | None
    ic: float | None
    ic_lower: float | None
    ic_upper: float | None
    ebgm: Annotated[float | None, Field(description="Shrunken ratio of observed over expected")]
    eb05: Annotated[float | None, Field(description="5 % quantile of the shrunken ratio")]
    eb95: Annotated[float | None, Field(description="95 % quantile of the shrunken ratio")]
    z: float | None
    q_value: Annotated[
        float | None, Field(description="Least false discovery rate, over the pairs of the look, at which it is called")
    ]
    detectable_excess: Annotated[
        float | None, Field(description="Reports above expected that it takes to be seen through this noise")
    ]


class TransitionModel(_Model):
    """One step in an SDR's life."""

    sequence: int
    from_state: SdrState | None
    to_state: SdrState
    actor: str
    reason: str
    at: datetime


class SdrModel(_Model):
    """A signal of disproportionate reporting: a statistic, not evidence of causation."""

    id: str
    drug: str
    reaction: str
    rule: str
    state: SdrState
    era: str
    first_epoch: _Epoch
    first_date: date
    last_epoch: _Epoch
    raised_at: datetime
    statistic: StatisticModel


class SdrDetail(SdrModel):
    """An SDR with its history."""

    transitions: list[TransitionModel]


class SdrPage(_Model):
    """SDRs, newest first; `next_offset` is null on the last page."""

    items: list[SdrModel]
    next_offset: int | None


class TransitionRequest(_Request):
    """Take an SDR to another state, with the reason."""

    to_state: SdrState
    reason: Annotated[str, Field(min_length=1, max_length=2000, pattern=NO_NUL)]


class PairPoint(StatisticModel):
    """Measures of a pair at the end of an epoch."""

    era: str
    epoch: _Epoch
    epoch_end: date
    state: Annotated[PairState, Field(description="signal where any rule of the protocol holds")]
    rule_states: Annotated[dict[str, PairState], Field(description="State by rule")]


class PairOverviewModel(_Model):
    """A pair at the newest look; null where there is too little information."""

    epoch: _Epoch
    epoch_end: date
    state: PairState
    n: float | None
    n_sd: float | None
    expected: float | None
    eb05: float | None
    detectable_excess: float | None


class PairSeries(_Model):
    """A pair over time. Points exist from the epoch on in which the pair first was of interest (z of at least 2).

    `latest` stands for every pair that is counted by itself, null before the first look alone: that a pair has no point
    is not a finding, its state is. A pair that is counted in a bucket has neither.
    """

    drug: str
    reaction: str
    bucket: Annotated[int | None, Field(description="Where the pair is counted with others, instead of by itself")]
    latest: PairOverviewModel | None
    points: list[PairPoint]


class SubscriptionRequest(_Request):
    """Tell a webhook of SDR events; every filter left out lets everything through."""

    url: Annotated[str, Field(min_length=1, max_length=2048)]
    drug: _Name | None = None
    reaction: _Name | None = None
    states: list[SdrState] = []
    after: Annotated[int | None, Field(ge=0, description="Deliver events after this id; left out: from now on")] = None


class SubscriptionModel(_Model):
    """A webhook subscription and how far it has got."""

    id: str
    url: str
    drug: str | None
    reaction: str | None
    states: list[SdrState]
    status: SubscriptionStatus
    created_at: datetime
    cursor: Annotated[int, Field(description="Last event settled")]
    attempt: Annotated[int, Field(description="Failed attempts at the next event")]
    due_at: datetime


class NewSubscriptionModel(SubscriptionModel):
    """A subscription just made, with the secret its signatures are made with; shown this once."""

    secret: str


class DeliveryModel(_Model):
    """One attempt to deliver one event."""

    id: int
    event_id: int
    attempt: int
    status: DeliveryStatus
    http_status: int | None
    error: str | None
    at: datetime


class KeyRequest(_Request):
    """Make an API key; `site` with the role site, and only then."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=NO_NUL)]
    role: Role
    site: Annotated[str | None, Field(max_length=63, pattern=NO_NUL)] = None


class KeyModel(_Model):
    """An API key, without its secret."""

    id: str
    name: str
    role: Role
    site: str | None
    created_at: datetime
    revoked_at: datetime | None


class NewKeyModel(KeyModel):
    """A key just made, with its secret; shown this once."""

    secret: str


_ModelT = TypeVar("_ModelT", bound=BaseModel)


def model_of(kind: type[_ModelT], value: Any, **more: Any) -> _ModelT:
    """A msgspec struct of the hub as the interface shows it; fields the model lacks stay inside."""
    return kind.model_validate({**msgspec.to_builtins(value), **more})
