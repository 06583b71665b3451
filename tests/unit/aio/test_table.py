"""The table of behaviours: every test of the client for threads runs with the asyncio client too.

What is left out has a counterpart in test_aio_client.py or test_aio_cancelling.py, or says why it has none.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.aio_support import OnLoop
from tests.unit.sync import test_client_connecting as connecting
from tests.unit.sync import test_client_messages as messages
from tests.unit.sync import test_collect_calls as collect_calls
from tests.unit.sync.test_client_connecting import new_threads, stuck
from tests.unit.sync.test_client_messages import client, hub
from tests.unit.table_support import table

__all__ = ["client", "hub", "new_threads", "stuck"]

#: Tests of what the asyncio client does otherwise, by the reason.
OTHERWISE = {
    "its handlers are awaited where they wait": {
        "test_a_handler_may_wait_for_an_answer",
        "test_a_handler_may_wait_for_a_handler_on_this_bus",
        "test_a_handler_may_make_a_collect_call",
    },
    "it has no thread": {
        "test_run_in_thread_connects_in_the_background",
        "test_an_old_worker_that_ends_late_does_not_touch_the_new_session",
    },
    "it is no OVOS bus, whose verbs block": {
        "test_it_is_an_ovos_bus_client",
    },
    "it writes without waiting, and what is written leaves whole": {
        "test_a_callback_for_progress_cannot_send_and_costs_nothing",
        "test_an_interrupted_write_leaves_no_half_frame_in_the_stream",
        "test_an_interrupted_sealing_gives_the_connection_up",
    },
}


globals().update(table(OTHERWISE, connecting, messages, collect_calls))


@pytest.fixture(autouse=True)
def on_a_loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The tests make this client where they make one."""
    for module in (connecting, messages):
        monkeypatch.setattr(module, "HiveMessageBusClient", OnLoop)
    yield
    OnLoop.end_all()
