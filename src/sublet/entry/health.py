"""`/livez`, `/readyz` and `/metrics`: for whoever runs Sublet."""

import ipaddress
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from sublet.core.app import DATABASE
from sublet.core.db import Database
from sublet.core.errors import PermissionDenied
from sublet.migrations.run import head

router = APIRouter(include_in_schema=False)


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(database: Annotated[Database, Depends(DATABASE)]) -> JSONResponse:
    """The process can serve: the database answers as asked and has this release's schema; else 503 with the reason."""
    try:
        async with database.reading() as session:
            revision = (await session.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none()
        different = await database.not_in_force()
    except (SQLAlchemyError, OSError):
        return JSONResponse({"status": "not ready", "reason": "the database does not answer"}, 503)
    if different is not None:
        return JSONResponse({"status": "not ready", "reason": f"in the database's connections {different}"}, 503)
    if revision != head():
        reason = f"the schema is {revision}, this release needs {head()}: run `sublet migrate`"
        return JSONResponse({"status": "not ready", "reason": reason}, 503)
    return JSONResponse({"status": "ready", "schema": revision})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus metrics, for a scraper on this machine that does not come through a proxy."""
    address = request.client.host if request.client else ""
    forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    if forwarded or not _is_loopback(address):
        raise PermissionDenied("Metrics are for a scraper on this machine. Nothing was changed.")
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
