"""What packages add to the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.packages.building import Environment

REPOSITORY = Path(__file__).resolve().parents[2]
_MISSING = "import sys; sys.modules['hivemind_client_cli'] = None"
_MAIN = "from hivemind_core_client.plugins.command_line import main; main()"


def test_a_check_of_the_doctor(environment: Environment, address: tuple[Any, list[str]]) -> None:
    chosen = {"HIVEMIND_CLIENT_PLUGINS": "disk_check"}
    made = json.loads(environment.command("doctor", "--json", *address[1], code=1, **chosen))
    (disk,) = [row for row in made["checks"] if row["check"] == "disk"]
    assert (disk["state"], disk["plugin"], disk["mend"]) == ("failed", "disk_check", "remove old speech")
    without = json.loads(environment.command("doctor", "--json", *address[1], HIVEMIND_CLIENT_PLUGINS=""))
    assert "disk" not in {row["check"] for row in without["checks"]}


def test_an_option_on_a_built_in_command_from_a_plugin_whose_name_sorts_last(
    environment: Environment, address: tuple[Any, list[str]]
) -> None:
    hub, arguments = address
    chosen = {"HIVEMIND_CLIENT_PLUGINS": "zz_twice"}
    assert "Send it two times." in environment.command("send-mycroft", "--help", **chosen)
    environment.command("send-mycroft", "--twice", "--msg", "my.alarm", *arguments, **chosen)
    sent = [each.raw_payload["type"] for each in hub.wait_for("bus", count=2)]
    assert sent == ["my.alarm", "my.alarm"]
    assert "two times" not in environment.command("send-mycroft", "--help", HIVEMIND_CLIENT_PLUGINS="")


def test_the_script_is_that_of_the_root_distribution(tmp_path: Path) -> None:
    """Built and installed by itself; the plugin for the command line stands in the environment around."""
    made = Environment(tmp_path / "root")
    made.make()
    made.install(REPOSITORY)
    script = made.folder / "bin" / "hivemind-client"
    assert "hivemind-client-cli" in made.run(script, "--version")
    assert made.run(made.python, "-c", f"{_MISSING}; {_MAIN}", code=2) == ""
