"""The client over HTTP in sessions of protocol version 3, which needs Python 3.10."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from hivemind_core_client import HiveMessage, HiveMessageType
from hivemind_core_client import errors as err
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import ask, offer_no_kk, utterance
from tests.unit.http_support import Gateway, back, check_restart_in_handshake, check_second_refusal, make
from tests.unit.support import PASSWORD


@pytest.mark.parametrize(("only_xx", "before"), [(False, 0), (True, 0), (True, 1)])
def test_a_hub_that_restarts_in_the_handshake_of_a_client_it_knows(
    only_xx: bool, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if only_xx:
        offer_no_kk(monkeypatch)
    check_restart_in_handshake((3, 3), before)


def test_a_hub_that_refuses_a_client_it_knew_is_found_out_by_its_second_refusal() -> None:
    check_second_refusal((3, 3))


def test_a_client_that_is_overtaken_between_its_handshake_and_its_hello_comes_back() -> None:
    def overtaken() -> Optional[tuple[int, dict[str, Any]]]:
        if gateway.requests.count("send_message") < 2:
            return None
        del gateway.instead["send_message"]
        return 409, {"error": "No Noise session; reconnect and handshake"}

    with EmbeddedHub({"k": PASSWORD}, versions=(3, 3)) as hub, Gateway(hub.url) as gateway:
        gateway.instead["send_message"] = overtaken
        client = make(gateway.url)
        client.connect(handshake_max_retries=1)
        assert gateway.requests.count("connect") == 2
        client.close()


def test_a_sealed_message_that_meets_no_hub_ends_its_session() -> None:
    with EmbeddedHub({"k": PASSWORD}, versions=(3, 3)) as hub, Gateway(hub.url) as gateway:
        with make(gateway.url) as client:
            gateway.instead["send_message"] = lambda: (200, {})
            with pytest.raises(err.ConnectionLost, match="something else than a hub"):
                client.emit(utterance("hello"))
            del gateway.instead["send_message"]
            assert back(gateway, client, 2)
            assert ask(client) == "you said: hello"


def test_a_piece_that_the_hub_keeps_until_the_rest_comes_is_taken() -> None:
    with EmbeddedHub({"k": PASSWORD}, versions=(3, 3)) as hub, Gateway(hub.url) as gateway:
        with make(gateway.url) as client:
            gateway.instead["send_message"] = lambda: (200, {"status": "buffered"})
            client.emit(HiveMessage(HiveMessageType.BINARY, b"sound"))
