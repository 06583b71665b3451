"""A web service in front of a hub: POST /say {"utterance": "…"} answers {"speech": ["…"]}.

    pip install -e '.[async]' fastapi uvicorn    # in a clone; 'hivemind-core-client[async]' from an index
    uvicorn --app-dir examples fastapi_app:app
    curl --json '{"utterance": "what time is it"}' http://127.0.0.1:8000/say

One client serves all requests. A QUERY keeps their answers apart; hubs answer it from version 4.15 on. It reconnects by
itself. A hub that refuses by now what it took before is tried again now and then: the log says why. One that refuses
the first login is not: `/health` says `refused`, and a restart tries again.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request
from ovos_bus_client.message import Message
from pydantic import BaseModel, Field

from hivemind_core_client import AsyncHiveMessageBusClient, HiveMindError
from hivemind_core_client.errors import MessageDenied, QueryTimeout

log = logging.getLogger("uvicorn.error")  # uvicorn shows no others by itself

#: Seconds to wait for the hub's answer.
PATIENCE = 10.0


class Asked(BaseModel):
    """What a request says."""

    utterance: str = Field(min_length=1, max_length=1000)


class Spoken(BaseModel):
    """What the hub speaks, sentence by sentence."""

    speech: list[str]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Connect before the first request, close after the last; in between the client reconnects by itself."""
    client = AsyncHiveMessageBusClient(useragent="web-service")
    client.on("error", lambda error: log.error("no session with the hub: %s", error))
    async with client:
        app.state.hive = client
        yield


app = FastAPI(title="HiveMind", lifespan=lifespan)


@app.post("/say")
async def say(asked: Asked, request: Request) -> Spoken:
    """Ask the hub, and wait for its answer."""
    hive: AsyncHiveMessageBusClient = request.app.state.hive
    message = Message("recognizer_loop:utterance", {"utterances": [asked.utterance]})
    try:
        answers = [answer.message async for answer in await hive.query(message, timeout=PATIENCE)]
    except QueryTimeout as error:
        raise HTTPException(504, str(error)) from error
    except MessageDenied as error:
        raise HTTPException(403, str(error)) from error
    except HiveMindError as error:
        raise HTTPException(503, str(error)) from error
    return Spoken(speech=[answer.data["utterance"] for answer in answers if answer.msg_type == "speak"])


@app.get("/health")
async def health(request: Request) -> dict[str, str]:
    """`connected` while a session with the hub stands, `refused` where none will be, else what is done about it."""
    return {"hub": str(request.app.state.hive.state)}
