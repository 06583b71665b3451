"""The table of behaviours over HTTP: the tests of the client for threads, with a gateway before their hub.

What is left out has a counterpart in test_http_client.py, or says why it has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from hivemind_core_client import HiveMindHTTPClient, Polling
from hivemind_core_client.testing import HttpGateway
from tests.unit.sync import test_client_connecting as connecting
from tests.unit.sync import test_client_messages as messages
from tests.unit.sync import test_collect_calls as collect_calls
from tests.unit.sync.test_client_connecting import new_threads
from tests.unit.sync.test_client_messages import client, hub
from tests.unit.table_support import table

__all__ = ["client", "hub", "new_threads"]

#: Tests of what the client over HTTP does otherwise, by the reason.
OTHERWISE = {
    "it has other phases, and its TLS is that of the gateway": {
        "test_every_kind_of_session_answers_an_utterance",
        "test_connect_cannot_hang_and_says_which_phase",
        "test_a_tls_port_that_stays_silent_runs_into_the_tls_deadline",
        "test_a_plain_client_at_a_tls_port_is_told_so",
        "test_tls_options",
        "test_why_tls_failed_is_told_where_the_hub_has_none",
        "test_tls_by_a_context_of_the_callers",
    },
    "it sends no BINARY, and tells no progress": {
        "test_a_message_that_the_hub_does_not_take_is_given_up_with_its_connection",
        "test_close_does_not_wait_for_a_writer_that_is_stuck",
        "test_the_bin_type_of_the_message_counts_unless_one_is_passed",
        "test_many_threads_lose_nothing_and_keep_their_order_both_ways",
        "test_a_callback_for_progress_cannot_send_and_costs_nothing",
        "test_an_interrupted_write_leaves_no_half_frame_in_the_stream",
    },
    "a BINARY comes beside the text, not in order with it": {
        "test_every_bin_type_has_a_callback_that_says_what_it_ignored",
        "test_a_malformed_frame_costs_itself_only",
    },
    "it has no pings, but polls": {
        "test_a_round_trip_ends_with_its_connection",
        "test_a_hub_that_stops_answering_pings_is_given_up",
    },
    "each of its messages is a request, and they go one after the other": {
        "test_many_calls_at_once_get_what_is_theirs",
    },
    "its port is another one": {
        "test_the_port_of_the_argument_beats_the_stored_one",
        "test_what_the_wire_cannot_carry_is_refused_here",
        "test_a_key_may_be_set_before_connecting",
    },
    "nothing of it is in the way to the hub": {
        "test_without_credentials_the_mend_is_named",
        "test_argument_then_environment_then_identity",
        "test_a_name_with_many_silent_addresses_has_one_deadline",
    },
}


class OverHttp(HiveMindHTTPClient):
    """Finds a hub behind a gateway."""

    gateways: ClassVar[list[HttpGateway]] = []

    def __init__(self, *arguments: Any, **options: Any) -> None:
        host = str(options.get("host"))
        if host.startswith("ws://127"):
            self.gateways.append(HttpGateway(host).start())
            options["host"] = self.gateways[-1].url
        super().__init__(*arguments, polling=Polling(0.01, 0.05), **options)


globals().update(table(OTHERWISE, connecting, messages, collect_calls))


@pytest.fixture(autouse=True)
def over_http(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The tests make this client where they make one."""
    for module in (connecting, messages):
        monkeypatch.setattr(module, "HiveMessageBusClient", OverHttp)
    monkeypatch.setattr(collect_calls, "SOON", 2.0)  # a promise is a request of its own
    yield
    while OverHttp.gateways:
        OverHttp.gateways.pop().stop()
