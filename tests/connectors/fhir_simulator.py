"""A small FHIR server on loopback with the faults of real ones: a test's own, spoken to over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

START = datetime(2026, 10, 1, tzinfo=UTC)

Fault = Callable[["Request"], "Reply | None"]


class Request:
    """One GET as the server saw it."""

    def __init__(self, target: str, headers: dict[str, str]) -> None:
        parts = urlsplit(target)
        self.target = target
        self.path = parts.path.removeprefix("/fhir/")
        self.query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.headers = headers

    @property
    def is_page(self) -> bool:
        """Whether it asks for a further page of a search."""
        return "_page" in self.query


class Reply:
    """Status, body and headers."""

    def __init__(self, status: int, body: Any = None, **headers: str) -> None:
        self.status = status
        self.body = body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class FhirSimulator:
    """Resources with versions, searches by pages, a history; `now` is the server's clock, moved by the test."""

    def __init__(self) -> None:
        self.now = START
        self.page_size = 3
        self.has_history = True
        self.has_adverse_event = True
        self.current: dict[str, dict[str, Any]] = {}
        self.history: list[tuple[datetime, str, str, dict[str, Any] | None]] = []
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.url = ""

    def put(self, resource: dict[str, Any], *, stamp: datetime | None = None) -> dict[str, Any]:
        """Store a new version; `stamp` pretends an earlier time of change, as a slow transaction has."""
        key = f"{resource['resourceType']}/{resource['id']}"
        number = 1 + sum(name == key for _, name, _, _ in self.history)
        moment = stamp or self.now
        stored = {**resource, "meta": {"versionId": str(number), "lastUpdated": _instant(moment)}}
        self.current[key] = stored
        self.history.append((moment, key, str(number), stored))
        return stored

    def delete(self, key: str) -> None:
        """Delete a resource."""
        number = 1 + sum(name == key for _, name, _, _ in self.history)
        del self.current[key]
        self.history.append((self.now, key, str(number), None))

    def tick(self, **span: float) -> None:
        """Move the server's clock."""
        self.now += timedelta(**span)

    def asked(self, path: str) -> list[Request]:
        """The requests for a path so far."""
        return [request for request in self.requests if request.path == path]

    def answer(self, request: Request) -> Reply:
        """What the server says, faults first (each is taken off when it has struck)."""
        self.requests.append(request)
        for fault in list(self.faults):
            reply = fault(request)
            if reply is not None:
                return reply
        if request.path == "metadata":
            return Reply(200, self._metadata())
        if request.path == "AdverseEvent/_history":
            return Reply(200, self._history(request)) if self.has_history else Reply(404)
        if request.path in self.current:
            return Reply(200, self.current[request.path])
        if "/" in request.path:
            gone = any(name == request.path for _, name, _, _ in self.history)
            return Reply(410 if gone else 404, {"resourceType": "OperationOutcome", "issue": []})
        if request.path not in ("AdverseEvent", "Medication", "Patient"):
            return Reply(404)
        return Reply(200, self._search(request))

    def once(self, reply: Reply, when: Callable[[Request], bool]) -> None:
        """Give `reply` to the first request that `when` picks."""

        def fault(request: Request) -> Reply | None:
            if not when(request):
                return None
            self.faults.remove(fault)
            return reply

        self.faults.append(fault)

    def _metadata(self) -> dict[str, Any]:
        codes = ["read", "search-type", *(["history-type"] if self.has_history else [])]
        resources = [{"type": "Patient", "interaction": [{"code": "read"}]}]
        if self.has_adverse_event:
            resources.append({"type": "AdverseEvent", "interaction": [{"code": code} for code in codes]})
        return {
            "resourceType": "CapabilityStatement",
            "fhirVersion": "4.0.1",
            "rest": [{"mode": "server", "resource": resources}],
        }

    def _search(self, request: Request) -> dict[str, Any]:
        found = [value for key, value in self.current.items() if key.startswith(f"{request.path}/")]
        asked = request.query.get("_lastUpdated", "")
        if asked:
            found = [value for value in found if value["meta"]["lastUpdated"] >= asked.removeprefix("ge")]
        token = request.query.get("identifier")
        if token:
            found = [value for value in found if _token(value) == token]
        found.sort(key=lambda value: str(value["meta"]["lastUpdated"]))
        entries = [
            {
                "fullUrl": f"{self.url}/{value['resourceType']}/{value['id']}",
                "resource": value,
                "search": {"mode": "match"},
            }
            for value in found
        ]
        return self._paged(request, entries, "searchset")

    def _history(self, request: Request) -> dict[str, Any]:
        since = request.query.get("_since", "")
        entries = []
        for moment, key, version, resource in reversed(self.history):
            if not key.startswith("AdverseEvent/") or _instant(moment) < since:
                continue
            entry: dict[str, Any] = {
                "fullUrl": f"{self.url}/{key}",
                "request": {"method": "PUT" if resource else "DELETE", "url": f"{key}/_history/{version}"},
                "response": {"status": "200", "etag": f'W/"{version}"', "lastModified": _instant(moment)},
            }
            if resource:
                entry["resource"] = resource
            entries.append(entry)
        return self._paged(request, entries, "history")

    def _paged(self, request: Request, entries: list[dict[str, Any]], kind: str) -> dict[str, Any]:
        first = int(request.query.get("_page", "0"))
        shown = entries[first : first + self.page_size]
        links = [{"relation": "self", "url": f"{self.url}/{request.target.removeprefix('/fhir/')}"}]
        if first + self.page_size < len(entries):
            base = request.target.removeprefix("/fhir/").partition("&_page=")[0]
            links.append({"relation": "next", "url": f"{self.url}/{base}&_page={first + self.page_size}"})
        return {
            "resourceType": "Bundle",
            "type": kind,
            "meta": {"lastUpdated": _instant(self.now)},
            "link": links,
            "entry": shown,
        }


def _token(resource: dict[str, Any]) -> str:
    identifier = (resource.get("identifier") or [{}])[0]
    return f"{identifier.get('system')}|{identifier.get('value')}"


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@contextmanager
def simulated() -> Iterator[FhirSimulator]:
    """A running simulator."""
    simulator = FhirSimulator()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # headers and body in one packet

        def do_GET(self) -> None:
            reply = simulator.answer(Request(self.path, {key.lower(): value for key, value in self.headers.items()}))
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response_only(reply.status)
            headers = {"Date": format_datetime(simulator.now, usegmt=True), **reply.headers}
            for name, value in headers.items():
                if value:
                    self.send_header(name, value)
            self.send_header("Content-Type", "application/fhir+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    simulator.url = f"http://127.0.0.1:{server.server_address[1]}/fhir"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield simulator
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
