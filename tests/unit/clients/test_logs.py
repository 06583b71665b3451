"""Who writes every log at the level DEBUG, those of libraries too, finds no login in them."""

from __future__ import annotations

import logging
from base64 import b64encode
from urllib.parse import quote

import pytest
import websocket

from hivemind_core_client.testing import EmbeddedHub
from hivemind_core_client.transports.log_filter import WithoutLogin
from hivemind_core_client.wire.log_lines import MOST_LINES
from tests.unit.client_support import Make, ask


def test_no_log_holds_the_login(hub: EmbeddedHub, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    websocket.enableTrace(True, logging.NullHandler())
    try:
        with caplog.at_level(logging.DEBUG), make(hub, useragent="kitchen") as client:
            ask(client)
    finally:
        websocket.enableTrace(False)
    said = "\n".join(record.getMessage() for record in caplog.records)
    login = b64encode(b"kitchen:k").decode()
    assert "authorization=" in said
    assert login not in said and quote(login, safe="") not in said
    assert not [line for line in said.splitlines() if "authorization=" in line and "(hidden)" not in line]


def test_a_record_that_cannot_be_told_passes() -> None:
    record = logging.LogRecord("websocket", logging.DEBUG, __file__, 1, "%d authorization=eA==", ("x",), None)
    assert WithoutLogin().filter(record) and record.args == ("x",)


def test_what_a_hub_makes_a_library_warn_of_has_no_traceback_and_is_limited() -> None:
    hides, passed = WithoutLogin(), []
    for number in range(20):
        try:
            raise ValueError("authorization=eA==")
        except ValueError as error:
            record = logging.LogRecord(
                "urllib3",
                logging.WARNING,
                __file__,
                1,
                "no headers (%s)",
                (f"?authorization=eA=={number}",),
                None,
            )
            record.exc_info = (ValueError, error, error.__traceback__)
        if hides.filter(record):
            passed.append(record)
    assert len(passed) == MOST_LINES
    assert all("eA" not in record.getMessage() and record.exc_info is None for record in passed)
    assert "only counted" in passed[-1].getMessage()


@pytest.mark.parametrize("told", [["x", "authorization=eA=="], OSError("authorization=eA==")])
def test_what_is_logged_need_not_be_text(told: object) -> None:
    record = logging.LogRecord("websocket", logging.WARNING, __file__, 1, told, (), None)  # type: ignore[arg-type]
    assert WithoutLogin().filter(record)
    assert "eA" not in record.getMessage() and "(hidden)" in record.getMessage()


def test_a_login_in_a_traceback_alone_is_hidden_too() -> None:
    try:
        raise OSError("GET /?authorization=eA==")
    except OSError as error:
        record = logging.LogRecord(
            "urllib3", logging.WARNING, __file__, 1, "went wrong", (), (OSError, error, error.__traceback__)
        )
    assert WithoutLogin().filter(record)
    assert record.exc_info is None and record.getMessage().startswith("went wrong")
