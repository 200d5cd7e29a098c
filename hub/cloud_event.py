"""An SDR event as the outside sees it: a CloudEvents 1.0 envelope, the same in webhooks and server-sent events."""

from __future__ import annotations

import msgspec

from hub.event_log import SdrEvent
from privacy.protocol import SurveillanceProtocol

__all__ = ["CONTENT_TYPE", "encode_cloud_event"]

CONTENT_TYPE = "application/cloudevents+json"


def encode_cloud_event(event: SdrEvent, *, source: str, protocol: SurveillanceProtocol) -> bytes:
    """JSON: the SDR with its statistic and noise, the transition, and the privacy budget it was seen under.

    `source` is the hub's public address. The budget is told only for SDRs of the protocol's own era.
    """
    data = msgspec.json.decode(event.body)
    if data["sdr"]["era"] == protocol.era:
        data["protocol"] = {
            "name": protocol.name,
            "version": protocol.version,
            "hash": protocol.hash,
            "vocabulary": protocol.vocabulary,
            "epsilon": protocol.epsilon,
            "delta": protocol.delta,
            "unit": "one patient at one site, whole era",
        }
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": str(event.id),
            "source": source,
            "type": event.type,
            "subject": event.subject,
            "time": event.at,
            "datacontenttype": "application/json",
            "data": data,
        }
    )
