"""The floor: FastAPI with asyncpg and a response model, a session lookup and one query; no rules, no actions."""

import hashlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

from bench.listing.query import REFERENCE_LIST, REFERENCE_SESSION


class Item(BaseModel):
    """One row of the list."""

    id: str
    name: str
    state: str
    sku: str
    node: str | None
    login: str | None
    created_at: str
    rate: str
    charged: str


class Items(BaseModel):
    """The list."""

    items: list[Item]
    next_cursor: str | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """A pool for the application's life."""
    app.state.pool = await asyncpg.create_pool(os.environ["BENCH_DSN"], min_size=1, max_size=4)
    yield
    await app.state.pool.close()


# With the settings of ours: nothing in between that ours does not have.
app = FastAPI(lifespan=lifespan, telemetry={"tracing": False, "metrics": False, "logs": False})


@app.get("/list")
async def list_fifty(request: Request) -> Items:
    """Fifty rows for whoever the cookie belongs to."""
    cookie = request.cookies.get("sublet_session", "")
    async with app.state.pool.acquire() as connection:
        organization = await connection.fetchval(REFERENCE_SESSION, hashlib.sha256(cookie.encode()).digest())
        if organization is None:
            raise HTTPException(401)
        rows = await connection.fetch(REFERENCE_LIST, organization)
    return Items(items=[Item(**dict(row)) for row in rows])


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        server_header=False,
        proxy_headers=False,
        access_log=False,
        log_level="warning",
    )
