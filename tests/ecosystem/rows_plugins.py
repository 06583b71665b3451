"""Libraries and plugins that others call."""

from __future__ import annotations

from tests.interop.hubs import RealHub

from .environments import REFERENCE, EnvironmentSpec
from .rows_text import CHATS
from .running import Run, is_of_session, wait_for_text
from .table import program

#: It is on no index.
_AS_SOURCE = "script after its source"
_BUTTON_SECONDS = 20.0

PIPELINE = EnvironmentSpec("pipeline", ("ovos-hivemind-pipeline-plugin==0.1.1a6",))


@program("ovos-solver-hivemind-plugin", "0.0.10a1", "a question is answered", CHATS)
def solver(hub: RealHub, run: Run) -> None:
    run.set_identity()
    asked = run.script("solver", f"hello from {run.name}")
    wait_for_text(asked, f"answer: you said: hello from {run.name}")
    assert asked.wait_for_end(10) == 0
    assert run.arrived(f"hello from {run.name}")["data"]["lang"] == "en-us"


_NO_HANDSHAKE = (
    "it calls `run_in_thread()` alone, and the reference client begins no handshake before `connect()`"
)


@program(
    "ovos-hivemind-pipeline-plugin",
    "0.1.1a6",
    "an utterance is answered, with and without `slave_mode`",
    PIPELINE,
    fails={REFERENCE: _NO_HANDSHAKE},
)
def pipeline(hub: RealHub, run: Run) -> None:
    run.set_identity()
    asked = run.script("pipeline", f"hello from {run.name}")
    wait_for_text(asked, f"slave False: you said: hello from {run.name} False")
    wait_for_text(asked, f"slave True: you said: hello from {run.name} True")
    assert asked.wait_for_end(10) == 0


_BUTTON = (
    "after `close()`, `protocol = None` and `connect()` two protocols of the reference client answer each message of "
    "the handshake, so the hub refuses it"
)


@program("hivemind-homeassistant", _AS_SOURCE, "connects and is answered, in the session of its bus", CHATS)
def homeassistant(hub: RealHub, run: Run) -> None:
    text = f"hello from {run.name}"
    script = run.client_script("homeassistant", text)
    wait_for_text(script, f"answer: you said: {text} home-assistant")
    assert is_of_session(run.arrived(text), "home-assistant")
    assert script.wait_for_end(20) == 0
    for line in (f"device of {run.host} connected: False", "connected: True"):
        assert line in script.log(), script.log()


@program(
    "hivemind-homeassistant",
    _AS_SOURCE,
    "its button to reconnect, and is answered again",
    CHATS,
    fails={REFERENCE: _BUTTON},
)
def homeassistant_button(hub: RealHub, run: Run) -> None:
    before, after = (f"{word} from {run.name}" for word in ("hello", "again"))
    script = run.client_script("homeassistant", before, after)
    wait_for_text(script, f"answer: you said: {before} home-assistant")
    wait_for_text(script, f"answer: you said: {after} home-assistant", _BUTTON_SECONDS)
    assert is_of_session(run.arrived(after), "home-assistant")
    assert script.wait_for_end(20) == 0
    assert "again at: living-room" in script.log(), script.log()
