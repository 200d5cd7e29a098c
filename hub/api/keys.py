"""Routes for administrators: API keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from cases import ParameterError
from hub.api.access import AdminKey
from hub.api.context import Context
from hub.api.models import NO_NUL, KeyModel, KeyRequest, NewKeyModel, Problem, model_of
from hub.keys import add_key, list_keys, revoke_key

__all__ = ["delete_key", "get_keys", "post_key", "router"]

_Id = Annotated[str, Path(max_length=64, pattern=NO_NUL)]

router = APIRouter(prefix="/v1/keys", tags=["keys"])


@router.post("", status_code=201, responses={422: {"model": Problem, "description": "Role and site do not fit"}})
def post_key(wanted: KeyRequest, caller: AdminKey, context: Context) -> NewKeyModel:
    """Make a key. The answer holds its secret, this once."""
    if wanted.site is not None and wanted.site not in context.sites:
        raise ParameterError("site must be one of the hub's registered sites", hint="add it to hub.toml: [[site]]")
    made = add_key(context.store, name=wanted.name, role=wanted.role, site=wanted.site, at=context.clock())
    return model_of(NewKeyModel, made.key, secret=made.secret)


@router.get("")
def get_keys(caller: AdminKey, context: Context) -> list[KeyModel]:
    """All keys ever made, without their secrets."""
    return [model_of(KeyModel, key) for key in list_keys(context.store)]


@router.delete(
    "/{key_id}",
    status_code=204,
    response_class=Response,
    responses={404: {"model": Problem, "description": "There is no such key in use"}},
)
def delete_key(
    key_id: Annotated[str, Path(max_length=64, pattern=NO_NUL)], caller: AdminKey, context: Context
) -> Response:
    """Revoke a key at once."""
    revoke_key(context.store, key_id, at=context.clock())
    return Response(status_code=204)
