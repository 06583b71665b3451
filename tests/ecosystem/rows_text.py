"""Programs that people type into."""

from __future__ import annotations

from tests.interop.hubs import RealHub

from .environments import OVOS, EnvironmentSpec
from .running import Run, wait_for_text
from .table import program

TERMINAL = EnvironmentSpec("terminal", ("hivemind-cli==1.0.2a1", *OVOS))


@program("hivemind-cli", "1.0.2a1", "a line that is typed is answered", TERMINAL, smoke=True)
def hivemind_cli(hub: RealHub, run: Run) -> None:
    credentials = ["--access-key", run.key, "--password", run.password]
    terminal = run.start(
        "hivemind-cli", *credentials, "--host", run.host, "--port", str(run.port), "--no-curses", fed=True
    )
    wait_for_text(terminal, "ask mycroft:")
    terminal.feed(f"hello from {run.name}\n")
    wait_for_text(terminal, f"you said: hello from {run.name}")
    message = run.arrived(f"hello from {run.name}")
    assert message["data"]["lang"] == "en-us"
