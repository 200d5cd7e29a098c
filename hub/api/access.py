"""Who calls: the API key of a request, and whether its role may use the route."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from hub.api.context import Context
from hub.api.problems import ProblemError
from hub.keys import ApiKey, find_key
from hub.roles import Role

__all__ = ["AdminKey", "AggregatorKey", "AnyKey", "DecidingKey", "ReadingKey", "SiteKey", "SubscriberKey"]

_bearer = HTTPBearer(auto_error=False, description="API key of the hub")


def _caller(context: Context, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> ApiKey:
    key = None if given is None else find_key(context.store, given.credentials)
    if key is None:
        raise ProblemError(
            401, "unauthenticated", "a valid API key is needed", hint="send Authorization: Bearer <key>",
            headers={"www-authenticate": "Bearer"},
        )  # fmt: skip
    return key


def _role(*roles: Role) -> Callable[[ApiKey], ApiKey]:
    def check(caller: Annotated[ApiKey, Depends(_caller)]) -> ApiKey:
        if caller.role not in roles:
            raise ProblemError(
                403, "forbidden", f"the role {caller.role} may not use this route", hint=f"may: {', '.join(roles)}"
            )
        return caller

    return check


AnyKey = Annotated[ApiKey, Depends(_caller)]
SiteKey = Annotated[ApiKey, Depends(_role(Role.SITE))]
AggregatorKey = Annotated[ApiKey, Depends(_role(Role.AGGREGATOR))]
ReadingKey = Annotated[ApiKey, Depends(_role(Role.OFFICER, Role.REGULATOR, Role.ADMIN))]
DecidingKey = Annotated[ApiKey, Depends(_role(Role.OFFICER, Role.REGULATOR))]
SubscriberKey = Annotated[ApiKey, Depends(_role(Role.OFFICER, Role.REGULATOR, Role.ADMIN))]
AdminKey = Annotated[ApiKey, Depends(_role(Role.ADMIN))]
