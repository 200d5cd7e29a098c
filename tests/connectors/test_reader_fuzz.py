"""Whatever arrives, a reader gives a draft, a reason code or an ignore reason, and nothing else."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import DeadLetterReason, IgnoreReason
from tests.connectors.records import MEDICATION, PATIENT, bundle, event, outcome
from tests.connectors.test_golden import SHAPES

REASONS = {str(reason) for reason in (*DeadLetterReason, *IgnoreReason)} | {"case", "nullified"}
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["#m", "#", "Patient/p1", "Medication/m1", "2026-10-01", "entered-in-error", "AdverseEvent"])
)
NAMES = st.sampled_from(
    sorted(
        {
            *("resourceType", "id", "entry", "resource", "fullUrl", "reference", "identifier", "value", "display"),
            *("type", "code", "coding", "text", "div", "system", "extension", "url", "valueReference", "contained"),
            *("suspectEntity", "instance", "subject", "event", "date", "meta", "lastUpdated", "versionId", "status"),
            *("resultingEffect", "note", "referenceDocument", "content", "attachment", "data", "seriousness"),
            *("occurrencePeriod", "occurrenceTiming", "outcome", "medication", "concept", "ingredient", "item"),
            *("modifierExtension", "actuality", "supportingInfo", "itemReference", "birthDate", "gender", "tag"),
        }
    )
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=40
)


@given(JSON)
@settings(max_examples=80, deadline=None)
def test_any_json(value: Any) -> None:
    assert outcome(msgspec.json.encode(value)) in REASONS


@given(st.dictionaries(NAMES, JSON, max_size=12))
@settings(max_examples=100, deadline=None)
def test_any_adverse_event(elements: dict[str, Any]) -> None:
    elements["resourceType"] = "AdverseEvent"
    assert outcome(elements) in REASONS
    assert outcome(bundle({**elements, "id": "x"}, PATIENT, MEDICATION)) in REASONS


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes(payload: bytes) -> None:
    assert outcome(payload) in REASONS
    assert outcome(payload, format="vaers") in REASONS


def _places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        found += _places(child, (*path, key))
    return found


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_sound_record_with_one_element_replaced(data: st.DataObject) -> None:
    shape = copy.deepcopy(SHAPES[data.draw(st.sampled_from(sorted(SHAPES)))])
    place = data.draw(st.sampled_from(_places(shape)))
    holder = shape
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = data.draw(JSON)
    assert outcome(shape) in REASONS


@given(JSON, JSON, JSON)
@settings(max_examples=100, deadline=None)
def test_any_vaers_json(data: Any, vax: Any, symptoms: Any) -> None:
    assert outcome({"data": data, "vax": vax, "symptoms": symptoms}, format="vaers") in REASONS


def test_the_example_itself_is_a_case() -> None:
    assert outcome(bundle(event(), PATIENT, MEDICATION)) == "case"
