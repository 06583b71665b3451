"""A transport of a plugin serves every client, in whichever form it comes, and harms none."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any, Callable, Optional

import pytest
from attrs import evolve
from ovos_bus_client.message import Message

from hivemind_core_client import Deadlines, HiveMessageBusClient, NodeIdentity
from hivemind_core_client import errors as err
from hivemind_core_client.plugins.contract import Closed, Transport
from hivemind_core_client.testing import EmbeddedHub, HttpGateway
from hivemind_core_client.transports import forms
from tests.unit.client_support import Log, ask, login, until
from tests.unit.noise_support import needs_noise
from tests.unit.support import PASSWORD
from tests.unit.transport_support import ASYNCIO, BLOCKING, FOREVER, Scripted, made_of, settings

FORMS = ["blocking", "asyncio"]
Make = Callable[..., Any]
BY_FORM = {"blocking": BLOCKING, "asyncio": ASYNCIO}


@pytest.fixture(params=[(0, 1), (3, 3)], ids=["v1", "v3"])
def hub(request: pytest.FixtureRequest) -> Iterator[EmbeddedHub]:
    if request.param == (3, 3) and sys.version_info < (3, 10):
        request.param = (0, 1)
    with EmbeddedHub({"k": PASSWORD}, versions=request.param) as running:
        yield running


@pytest.mark.parametrize("form", FORMS)
def test_what_follows_a_message_that_was_too_large_arrives(form: str, make: Make, hub: EmbeddedHub) -> None:
    with make(hub, evolve(BY_FORM[form], largest_frame=9_000)) as client:
        client.emit(Message("note"))
        assert hub.wait_for("note")
        with pytest.raises(err.InvalidMessage, match="carries 9000 at most"):
            client.emit(Message("note", {"text": "x" * 20_000}))
        client.emit(Message("after"))
        assert hub.wait_for("after")
        metrics = client.metrics
    assert (metrics.raised, metrics.sent) == (1, 3)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_serves_every_client(form: str, make: Make, hub: EmbeddedHub) -> None:
    before = set(threading.enumerate())
    with make(hub, BY_FORM[form]) as client:
        assert ask(client) == "you said: hello"
        speech, heard = b"RIFF" * 50_000, Log()
        client.bin_callbacks.handle_receive_tts = lambda **got: heard(got["bin_data"])
        hub.send_tts(speech)
        assert heard.wait(1) == [speech]
        written = Log()
        client.emit(
            Message("note", {"text": "x" * 300_000}),
            progress=lambda now, all_of_it: written((now, all_of_it)),
        )
        assert hub.wait_for("note")[0].payload.data == {"text": "x" * 300_000}
        assert until(lambda: written.calls and written.calls[-1][0] == written.calls[-1][1])
        assert 0 < client.round_trip() < 5
        assert until(lambda: client.metrics.unconfirmed == 0)
    assert until(lambda: not hub.sessions)
    mine = {
        "hivemind-own-reads",
        "hivemind-own-writes",
        "hivemind-own-pings",
        "hivemind-loop",
        "hivemind-reads",
    }
    assert until(lambda: not [each for each in set(threading.enumerate()) - before if each.name in mine])


@pytest.mark.parametrize("form", FORMS)
def test_a_client_comes_back_over_it(form: str, make: Make, hub: EmbeddedHub) -> None:
    with make(hub, BY_FORM[form]) as client:
        for count, code in enumerate((None, 1011), 1):
            hub.drop(code)
            assert until(lambda: client.metrics.reconnects == count)  # noqa: B023  # called in this round
            assert ask(client) == "you said: hello"


@pytest.mark.parametrize("form", FORMS)
def test_a_key_that_the_hub_does_not_know(form: str, make: Make, hub: EmbeddedHub) -> None:
    client = make(hub, BY_FORM[form], key="stranger")
    with pytest.raises(err.KeyRefused):
        client.connect()
    client.close()


@pytest.mark.parametrize("form", FORMS)
def test_nobody_listens(form: str, make: Make, hub: EmbeddedHub) -> None:
    client = make(hub, BY_FORM[form], host="own://127.0.0.1:1")
    with pytest.raises(err.HubUnreachable, match=r"own://127\.0\.0\.1:1 cannot be reached"):
        client.connect()
    client.close()


@needs_noise
def test_text_alone_lowers_no_version_in_silence(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    mine, text_only = NodeIdentity({}), evolve(BLOCKING, carries_bytes=False)
    with EmbeddedHub({"k": PASSWORD}, versions=(0, 3)) as hub:
        with make(hub, text_only, identity=mine) as client:
            assert client.negotiated.version == 2
        assert "the transport for own carries text only. Taken is a weaker handshake" in caplog.text
        asking = make(hub, text_only, max_protocol_version=3)
        with pytest.raises(err.VersionRefused, match="carries text only"):
            asking.connect()
        asking.close()
        with make(hub, BLOCKING, identity=mine) as client:
            assert client.negotiated.version == 3
        falling = make(hub, text_only, identity=mine)
        with pytest.raises(
            err.VersionRefused, match=r"has spoken protocol version 3 before.*carries text only"
        ):
            falling.connect()
        falling.close()
        with make(hub, text_only, identity=mine, max_protocol_version=2) as client:
            assert client.negotiated.version == 2


def test_an_old_hub_without_pings_has_the_hive_pinged(make: Make) -> None:
    old = EmbeddedHub({"k": PASSWORD}, versions=(0, 1))
    with old as hub, make(hub, evolve(BLOCKING, pings=False)) as client:
        assert 0 < client.round_trip() < 5
        hub.wait_for("propagate")
        client.emit(Message("note"))
        hub.wait_for("note")
        assert client.metrics.confirmed == 0


def test_a_client_on_a_loop_speaks_http(client_class: Any, hub: EmbeddedHub) -> None:
    with HttpGateway(hub.url) as gateway, client_class(**login(gateway.url)) as client:
        assert repr(client).endswith(f" {gateway.url}, connected>")
        assert ask(client) == "you said: hello"
        heard = Log()
        client.bin_callbacks.handle_receive_tts = lambda **got: heard(got["bin_data"])
        hub.send_tts(b"RIFF...")
        assert heard.wait(1) == [b"RIFF..."]
        gateway.forget()
        assert until(lambda: client.metrics.reconnects == 1)
        assert ask(client) == "you said: hello"
        assert 0 < client.round_trip() < 5


def test_a_hub_in_memory_needs_no_port(client_class: Any) -> None:
    with EmbeddedHub({"k": PASSWORD}, memory="kitchen") as inner:
        assert (inner.url, inner.port) == ("memory:kitchen", 0)
        with client_class(**login(inner.url, port=5678)) as client:
            assert ask(client) == "you said: hello"
            client.emit(Message("note"))
            inner.wait_for("note")
            assert 0 <= client.round_trip() < 5
            inner.drop()
            assert until(lambda: client.metrics.reconnects == 1)
            assert ask(client) == "you said: hello"
        with pytest.raises(err.InvalidOption, match="'kitchen' runs in this process already"):
            EmbeddedHub(memory="kitchen").start()
    client = client_class(**login("memory:kitchen"))
    with pytest.raises(err.HubUnreachable, match="no EmbeddedHub"):
        client.connect()
    client.close()


def test_so_many_clients_reach_a_hub_in_memory_and_no_more() -> None:
    with EmbeddedHub({"k": PASSWORD}, memory="small", most_clients=1) as hub:
        with HiveMessageBusClient(**login(hub.url)):
            other = HiveMessageBusClient(**login(hub.url))
            with pytest.raises(err.ConnectionLost):
                other.connect()
            other.close()
        assert until(lambda: not hub.sessions)
        with HiveMessageBusClient(**login(hub.url)) as later:
            assert ask(later) == "you said: hello"


# carriers that misbehave, in both forms, driven by the interface of a client with threads

QUICK = Deadlines(tcp=0.1, tls=0.1, upgrade=0.1, write=0.3, close=0.3)


def opened(form: str, carrier: Scripted, able: Optional[dict[str, Any]] = None, **changes: Any) -> Any:
    """A connection over this carrier; `able` is what the transport says of itself."""
    asked = settings("own://h:9", **{"deadlines": QUICK, **changes})
    made = forms.new_transport(made_of(form, carrier, **(able or {})), asked)
    made.open("own://h:9")
    return made


both_forms = pytest.mark.parametrize("form", FORMS)


@both_forms
@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OSError("no cable"), err.HubUnreachable, "own://h:9 cannot be reached: no cable"),
        (KeyError("x"), err.HubUnreachable, "KeyError"),
        (err.KeyRefused("no"), err.KeyRefused, "no"),
    ],
)
def test_it_does_not_open(form: str, error: Exception, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        opened(form, Scripted(open=error))


@both_forms
def test_to_open_takes_too_long(form: str) -> None:
    with pytest.raises(err.HubTimeout, match="the phase 'open'"):
        opened(form, Scripted(open=FOREVER))


@both_forms
@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        (5, err.ConnectionLost, "gave a int in place of a frame"),
        (OSError("cut"), err.ConnectionLost, "own://h:9 broke: cut"),
        (ZeroDivisionError("odd"), err.ConnectionLost, "odd"),
        ("x" * 5000, err.FrameTooLarge, "the limit is 4096"),
        (err.ConnectionLost("said so"), err.ConnectionLost, "said so"),
    ],
)
def test_what_it_receives_is_checked(form: str, given: Any, kind: type[Exception], words: str) -> None:
    made = opened(form, Scripted(receive=[given]), largest_frame=4096)
    with pytest.raises(kind, match=words):
        made.receive()
    made.release()


@both_forms
def test_before_the_key_little_may_come(form: str) -> None:
    made = opened(form, Scripted(receive=["x" * 60, b"y" * 60, "z" * 200]), largest_early=100)
    assert made.receive() == "x" * 60
    with pytest.raises(err.FrameTooLarge, match=r"more than 100 bytes \(Limits.unauthenticated\)"):
        made.receive()
    made.watch()
    assert made.receive() == "z" * 200
    made.release()


@both_forms
def test_what_it_cannot_carry_is_not_sent_and_the_session_goes_on(form: str) -> None:
    carrier = Scripted(receive=["still here"])
    made = opened(form, carrier, {"carries_bytes": False})
    with pytest.raises(err.InvalidMessage, match="carries text only"):
        made.send(["x", b"y"])
    assert made.receive() == "still here"
    assert "send" not in carrier.calls
    made.release()


@both_forms
def test_a_frame_beyond_what_a_transport_carries(form: str) -> None:
    carrier = Scripted()
    made = opened(form, carrier, {"largest_frame": 1024})
    with pytest.raises(err.InvalidMessage, match=r"a frame of 1025 bytes: .* 1024 at most"):
        made.send(["ü" * 512 + "x"])
    assert "send" not in carrier.calls
    assert made.send(["x"]) is False
    made.release()


@both_forms
@pytest.mark.parametrize(("told", "answered"), [(True, True), (None, False), (1, False)])
def test_it_may_say_that_the_hub_has_a_frame(form: str, told: Any, answered: bool) -> None:
    made = opened(form, Scripted(send=told))
    assert made.send(["x", "y"]) is answered
    made.release()


@both_forms
@pytest.mark.parametrize(
    ("error", "words"), [(OSError("cut"), "broke while sending: cut"), (None, "takes no more messages")]
)
def test_a_send_that_fails_ends_the_connection(form: str, error: Optional[Exception], words: str) -> None:
    carrier = Scripted(send=error or FOREVER)
    made = opened(form, carrier)
    with pytest.raises(err.ConnectionLost, match=words):
        made.send(["x"])
    assert carrier.aborted.is_set()
    with pytest.raises(err.ConnectionLost, match="is closed"):
        made.receive()
    made.release()


@both_forms
def test_a_connection_that_is_silent_is_pinged_and_given_up(form: str) -> None:
    carrier = Scripted(receive=FOREVER, ping=FOREVER)
    made = opened(form, carrier, ping_interval=0.05, ping_timeout=0.2)
    made.watch()
    with pytest.raises(err.ConnectionLost, match=r"did not answer a ping within 0\.2 s"):
        made.receive()
    made.release()


@both_forms
def test_without_pings_there_is_none(form: str) -> None:
    carrier = Scripted()
    made = opened(form, carrier, {"pings": False})
    made.watch()
    made.ask()
    assert made.ping(b"x", 5) is None
    assert "ping" not in carrier.calls
    made.release()


@both_forms
def test_a_ping_that_fails_is_told(form: str) -> None:
    made = opened(form, Scripted(ping=OSError("cut")))
    with pytest.raises(err.ConnectionLost, match="cut"):
        made.ping(b"x", 5)
    made.release()


@both_forms
def test_abort_wakes_whoever_reads_whatever_the_carrier_does(form: str) -> None:
    stuck = threading.Event()
    carrier = Scripted(receive=stuck.wait if form == "blocking" else FOREVER, abort=OSError("no"))
    made = opened(form, carrier)
    raised = Log()

    def read() -> None:
        try:
            made.receive()
        except err.ConnectionLost as error:
            raised(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    assert until(lambda: "receive" in carrier.calls)
    made.abort()
    assert "is closed" in raised.wait(1)[0]
    made.abort()
    made.release()
    made.release()
    stuck.set()
    reader.join(10)


@both_forms
def test_a_release_that_fails_harms_nobody(form: str) -> None:
    made = opened(form, Scripted(release=ZeroDivisionError("odd")))
    made.release()


@both_forms
def test_a_farewell_is_said_and_then_it_hangs_up(form: str) -> None:
    carrier = Scripted()
    made = opened(form, carrier)
    made.farewell()
    assert carrier.calls.index("farewell") < carrier.calls.index("abort")
    made.release()


@both_forms
def test_the_end_has_its_code(form: str) -> None:
    made = opened(form, Scripted(receive=[Closed(1008, "go away")]))
    assert made.receive() == Closed(1008, "go away")
    made.release()


@both_forms
def test_a_plugin_that_fails_is_named_in_the_log(form: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    made = opened(form, Scripted(receive=[ZeroDivisionError("odd")]))
    with pytest.raises(err.ConnectionLost):
        made.receive()
    made.release()
    assert "the transport for own failed" in caplog.text and "ZeroDivisionError" in caplog.text


#: What is no Exception, and would end a thread, an event loop or whoever waits for it.
FATAL = [SystemExit(3), asyncio.CancelledError()]
fatal = pytest.mark.parametrize("error", FATAL, ids=["SystemExit", "CancelledError"])


def raising(error: BaseException) -> Callable[..., None]:
    def act(*_: Any) -> None:
        raise error

    return act


@both_forms
@fatal
def test_a_carrier_that_would_end_more_than_its_connection(form: str, error: BaseException) -> None:
    words, act = f"it raised {type(error).__name__}", raising(error)
    with pytest.raises(err.HubUnreachable, match=words):
        opened(form, Scripted(open=act))
    for calling, script in (
        (lambda made: made.receive(), {"receive": act}),
        (lambda made: made.send(["x"]), {"send": act}),
        (lambda made: made.ping(b"x", 5), {"ping": act}),
    ):
        made = opened(form, Scripted(**script))
        with pytest.raises(err.ConnectionLost, match=words if "send" not in script else "own://h:9"):
            calling(made)
        made.release()


@both_forms
@fatal
def test_it_ends_whatever_its_last_methods_raise(form: str, error: BaseException) -> None:
    act = raising(error)
    before = set(threading.enumerate())
    made = opened(form, Scripted(abort=act, farewell=act, release=act))
    made.farewell()
    with pytest.raises(err.ConnectionLost, match="is closed"):
        made.receive()
    made.release()
    assert until(lambda: set(threading.enumerate()) <= before)


def test_a_method_that_is_no_coroutine_function_costs_its_connection() -> None:
    class Plain(Scripted):
        """Its methods return at once."""

    carrier = Plain(receive=["x"])
    made = forms.new_transport(
        Transport("own", asyncio=lambda _: carrier, default_port=9), settings("own://h:9", deadlines=QUICK)
    )
    with pytest.raises(err.HubUnreachable, match="TypeError"):
        made.open("own://h:9")
    made.release()


def test_an_asyncio_carrier_that_keeps_its_loop_to_itself_is_given_up() -> None:
    stuck = threading.Event()
    try:
        with pytest.raises(err.HubTimeout, match="the phase 'open'"):
            opened("asyncio", Scripted(open=lambda: stuck.wait(30)))
    finally:
        stuck.set()
