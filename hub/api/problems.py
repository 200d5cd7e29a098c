"""Errors as problem documents (RFC 9457): a stable code, what is wrong, the way out; never what the caller sent."""

from __future__ import annotations

import http
import json
import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from starlette.exceptions import HTTPException

from cases import KelseyError, ParameterError, ServiceError, UnknownTermError
from hub.errors import ReleaseRefused, TransitionRefused, UnknownIdError
from privacy.secure_sum import ShareError, ShareFault

__all__ = ["ProblemError", "install_problems", "problem"]

_log = logging.getLogger(__name__)

_STATUS_OF: tuple[tuple[type[KelseyError], int], ...] = (
    (TransitionRefused, 409),
    (UnknownIdError, 404),
    (UnknownTermError, 404),
    (ParameterError, 422),
    (ServiceError, 503),
)
_SHARE_STATUS = {
    ShareFault.MALFORMED: 422,
    ShareFault.LENGTH: 422,
    ShareFault.DIGEST: 422,
    ShareFault.SIGNATURE: 403,
    ShareFault.UNKNOWN_SITE: 403,
}


class ProblemError(Exception):
    """A refusal by the interface itself: not authenticated, not allowed, too large.

    Parameters
    ----------
    status, code
        HTTP status and stable code.
    detail, hint
        What is wrong and the way out.
    headers
        Sent along.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, hint: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.hint, self.headers = status, code, detail, hint, headers


def problem(
    status: int, code: str, detail: str, *, hint: str = "", headers: dict[str, str] | None = None, **extra: Any
) -> Response:
    """One problem document; `type` is ``urn:kelsey:problem:<code>``."""
    document = {
        "type": f"urn:kelsey:problem:{code}",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **({"hint": hint} if hint else {}),
        **extra,
    }
    return Response(json.dumps(document), status, headers, media_type="application/problem+json")


def _of_kelsey(_request: Request, error: Exception) -> Response:
    if isinstance(error, ReleaseRefused):
        return problem(error.reason.http_status, str(error.reason), "the release was refused", hint=error.hint)
    if isinstance(error, ShareError):
        return problem(_SHARE_STATUS.get(error.reason, 409), str(error.reason), error.message, hint=error.hint)
    if isinstance(error, KelseyError):
        for kind, status in _STATUS_OF:
            if isinstance(error, kind):
                return problem(status, error.code, error.message, hint=error.hint)
    return _of_accident(_request, error)


def _of_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101  registered for it
    return problem(error.status, error.code, error.detail, hint=error.hint, headers=error.headers)


def _of_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for it
    found = [{"location": [str(part) for part in item["loc"]], "message": str(item["type"])} for item in error.errors()]
    return problem(422, "invalid-request", "the request does not fit the interface", errors=found)


def _of_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for it
    code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "http-error")
    headers = dict(error.headers) if error.headers else None
    return problem(error.status_code, code, http.HTTPStatus(error.status_code).phrase.lower(), headers=headers)


def _of_database(_request: Request, error: Exception) -> Response:
    _log.error("database error kind=%s", type(error).__name__)
    if isinstance(error, OperationalError):
        return problem(503, "service", "the database does not answer", hint="try again later")
    return problem(500, "internal", "this could not be done")


def _of_accident(_request: Request, error: Exception) -> Response:
    _log.error("unexpected error kind=%s", type(error).__name__, exc_info=error)
    return problem(500, "internal", "this could not be done")


def install_problems(app: FastAPI) -> None:
    """Let every error of `app` become a problem document."""
    app.add_exception_handler(KelseyError, _of_kelsey)
    app.add_exception_handler(ProblemError, _of_problem)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(SQLAlchemyError, _of_database)
    app.add_exception_handler(Exception, _of_accident)
