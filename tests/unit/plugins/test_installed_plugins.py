"""Plugins as packages: made here, installed into an environment of their own, found through entry points."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

_GOOD = '''
import click
from hivemind_core_client.builtins.ciphers_pycryptodome import hivemind_ciphers as builtin_ciphers
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins.contract import Cipher, Deliver, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl

USED = {"sealed": 0, "opened": 0}
AES = builtin_ciphers()[0]


def seal(key, nonce, plaintext):
    USED["sealed"] += 1
    return AES.seal(key, nonce, plaintext)


def open_(key, nonce, sealed):
    USED["opened"] += 1
    return AES.open(key, nonce, sealed)


@hookimpl
def hivemind_ciphers():
    return [Cipher("AES-GCM", AES.key_sizes, AES.nonce_size, AES.tag_size, seal, open_)]


def receive(context, message):
    return [Deliver({"type": "third.party", "data": message.payload, "context": {}})]


@hookimpl
def hivemind_message_handlers():
    return [MessageHandler(HiveMessageType.THIRDPRTY, "acme", receive)]


@hookimpl
def hivemind_cli_commands(cli):
    @cli.command("hello")
    @click.argument("name", default="world")
    def hello(name):
        """Greet."""
        click.echo(f"hello {name}")
'''

_MISSPELT = """
from hivemind_core_client.plugins.hookspecs import hookimpl


@hookimpl
def hivemind_cipher():
    return []
"""

_NEWER = "HIVEMIND_API_VERSION = 99\n"

_BROKEN = "raise RuntimeError('this package is broken on purpose')\n"

#: Run inside that environment: what was sealed and opened by whom, as JSON.
_SESSION = """
import json, threading
from hivemind_core_client import HiveMessage, HiveMessageBusClient, NodeIdentity
from hivemind_core_client.testing import EmbeddedHub
from ovos_bus_client.message import Message

got, heard = threading.Event(), []
with EmbeddedHub({"k": "seven green lanterns above the quiet harbour"}, ciphers=["AES-GCM"]) as hub:
    password = "seven green lanterns above the quiet harbour"
    client = HiveMessageBusClient("k", password, host=hub.url, identity=NodeIdentity({}))
    client.on_mycroft("third.party", lambda message: (heard.append(message.data), got.set()))
    with client:
        answer = client.wait_for_response(Message("recognizer_loop:utterance", {"utterances": ["x"]}), "speak", 5)
        hub.broadcast(HiveMessage("3rdparty", {"n": 1}))
        got.wait(1)
        plugins = {info.name: info.state for info in client.plugins.report}
        winners = {conflict.name: conflict.winner for conflict in client.plugins.conflicts()}
try:
    from acme_hivemind import USED
except ImportError:
    USED = {}
facts = {"used": USED, "heard": heard, "answered": answer is not None, "plugins": plugins, "winners": winners}
print(json.dumps(facts))
"""


def wheel(folder: Path, name: str, module: str, source: str) -> Path:
    """A wheel of one module with the entry point `name` (packaging.python.org, binary distribution format)."""
    path = folder / f"{module}-1.2.3-py3-none-any.whl"
    info = f"{module}-1.2.3.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{module}.py", source)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.2.3\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/entry_points.txt", f"[hivemind_core_client]\n{name} = {module}\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a throw-away environment that sees this one's packages, and has both plugins installed."""
    folder = tmp_path_factory.mktemp("plugins")
    return installed(
        folder,
        wheel(folder, "acme", "acme_hivemind", _GOOD),
        wheel(folder, "broken", "broken_hivemind", _BROKEN),
        wheel(folder, "misspelt", "misspelt_hivemind", _MISSPELT),
        wheel(folder, "newer", "newer_hivemind", _NEWER),
    )


def installed(folder: Path, *wheels: Path) -> Path:
    """The interpreter of an environment in `folder` that sees this one's packages, and has these installed."""
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    purelib = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    (purelib / "parent.pth").write_text("\n".join(lines) + "\n")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "-q",
            "--no-deps",
            "--no-index",
            *wheels,
        ],
        check=True,
        capture_output=True,
    )
    return python


def run(python: Path, *arguments: str, **variables: str) -> str:
    done = subprocess.run(
        [str(python), *arguments], capture_output=True, text=True, timeout=50, env={**os.environ, **variables}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def session(python: Path, **variables: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(run(python, "-c", _SESSION, **variables).splitlines()[-1])
    return result


def test_a_third_party_cipher_and_handler_win_over_the_built_in_ones(environment: Path) -> None:
    result = session(environment)
    assert result["answered"]
    assert result["used"]["sealed"] >= 3
    assert result["used"]["opened"] >= 3
    assert result["heard"] == [{"n": 1}]
    assert (result["plugins"]["acme"], result["plugins"]["broken"]) == ("loaded", "failed")
    assert result["winners"]["AES-GCM"] == result["winners"]["3rdparty"] == "acme"


@pytest.mark.parametrize(
    ("variables", "state"),
    [
        ({"HIVEMIND_CLIENT_PLUGINS": ""}, "not selected"),
        ({"HIVEMIND_CLIENT_PLUGINS": "cli"}, "not selected"),
        ({"HIVEMIND_CLIENT_PLUGINS": "cli, acme"}, "loaded"),
        ({"HIVEMIND_CLIENT_PLUGINS_BLOCK": "acme"}, "blocked"),
    ],
)
def test_the_variables_do_what_they_say(environment: Path, variables: dict[str, str], state: str) -> None:
    result = session(environment, **variables)
    assert result["answered"]
    assert result["plugins"]["acme"] == state
    assert result["plugins"]["broken"] == ("failed" if state == "blocked" else "not selected")
    assert bool(result["heard"]) == (state == "loaded")


def test_a_built_in_can_be_blocked(environment: Path) -> None:
    result = session(environment, HIVEMIND_CLIENT_PLUGINS_BLOCK="builtin_ciphers_openssl,builtin_thirdparty")
    assert result["answered"]
    assert result["plugins"]["builtin_ciphers_openssl"] == "blocked"


def test_a_subcommand_of_a_plugin_runs(environment: Path) -> None:
    pytest.importorskip("hivemind_client_cli", reason="the command line is a distribution of its own")
    call = "import sys; from hivemind_client_cli.main import main; sys.argv[0] = 'hivemind-client'; sys.exit(main())"
    assert run(environment, "-c", call, "hello", "hive") == "hello hive\n"
    assert "hello" in run(environment, "-c", call, "--help")
    listed = json.loads(run(environment, "-c", call, "plugins", "--json"))
    text = json.dumps(listed)
    assert "this package is broken on purpose" in text
    assert "acme" in text
    assert "did you mean hivemind_ciphers?" in text
    states = {row["name"]: row["state"] for row in listed["plugins"]}
    assert states["misspelt"] == states["newer"] == "incompatible"
    assert "needs version 99 of the plugin contract" in run(environment, "-c", call, "plugins")


def test_the_files_of_a_folder_are_plugins_of_the_command_too(environment: Path, tmp_path: Path) -> None:
    pytest.importorskip("hivemind_client_cli", reason="the command line is a distribution of its own")
    call = "import sys; from hivemind_client_cli.main import main; sys.argv[0] = 'hivemind-client'; sys.exit(main())"
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "chime.py").write_text(_GOOD.replace('"hello"', '"chime"'))
    variables = {"HIVEMIND_CLIENT_PLUGINS_DIR": str(folder), "HIVEMIND_CLIENT_PLUGINS": "chime"}
    assert run(environment, "-c", call, "chime", "hive", **variables) == "hello hive\n"
    assert "knock" not in run(environment, "-c", call, "--help", **variables)
    (folder / "knock.py").write_text(_GOOD.replace('"hello"', '"knock"'))
    assert "knock" in run(
        environment, "-c", call, "--help", **{**variables, "HIVEMIND_CLIENT_PLUGINS": "knock,chime"}
    )
    listed = json.loads(run(environment, "-c", call, "plugins", "--json", **variables))
    (chime,) = [row for row in listed["plugins"] if row["name"] == "chime"]
    assert (chime["state"], chime["source"]) == ("loaded", str(folder / "chime.py"))
    folder.chmod(0o777)
    refused = subprocess.run(
        [str(environment), "-c", call, "plugins"],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, **variables},
    )
    assert refused.returncode == 1
    assert "anyone may write to /" in refused.stderr and "Traceback" not in refused.stderr
