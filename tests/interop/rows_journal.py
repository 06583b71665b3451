"""A row about the journal: what a satellite and a real hub say to each other is in it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from hivemind_client_journal import Query, flush, read
from hivemind_core_client.plugins.manager import forget_plugins

from .hubs import RealHub
from .rows_client import MESSAGES, check_answer
from .satellite import Satellite
from .table import behaviour


@behaviour("what was said and heard is in the journal, and no secret of the session is", MESSAGES)
def journal(hub: RealHub, satellite: Satellite) -> None:
    path = satellite.folder("journal") / "journal.sqlite"
    text = f"is this kept, {satellite.name}"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HIVEMIND_JOURNAL", "on")
        environment.setenv("HIVEMIND_JOURNAL_PATH", str(path))
        forget_plugins()
        try:
            check_answer(satellite.connected(plugins=["journal"]), text)
            satellite.close()
            assert flush()
        finally:
            forget_plugins()
    found = read(str(path), Query(types=("recognizer_loop:utterance", "speak")))
    rows = sorted(found, key=lambda row: row.direction == "received")  # which is written first is open
    assert [(row.direction, row.ovos_type) for row in rows] == [
        ("sent", "recognizer_loop:utterance"),
        ("received", "speak"),
    ]
    said, heard = (row.message() for row in rows)
    assert said is not None and said.payload.data["utterances"] == [text]
    assert heard is not None and heard.payload.data["utterance"] == f"you said: {text}"
    check_no_secrets(path, satellite)


def check_no_secrets(path: Path, satellite: Satellite) -> None:
    """Neither what was used to log in nor a message of the handshake."""
    connection = sqlite3.connect(path)
    everything = "\n".join(map(str, connection.execute("SELECT * FROM messages")))
    connection.close()
    for secret in (
        satellite.key,
        satellite.password,
        satellite.crypto_key,
        '"shake"',
        '"hello"',
        "PRIVATE KEY",
    ):
        assert secret not in everything
