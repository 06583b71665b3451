"""A real hub on loopback: its own OVOS bus, something that answers on it, and hivemind-core."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Optional

from websocket import create_connection

from .answerer import READY
from .broker import Broker
from .packages import Package
from .processes import HarnessError, LineServer, Process, free_port, is_listening, tail, wait_until
from .specs import Environment, HubSpec, beside, environment

Json = dict[str, Any]

HOST = "127.0.0.1"
_START_SECONDS = 60.0
_COMMAND_SECONDS = 60.0
_ATTEMPTS = 3
_READY_SECONDS = 20.0
#: How many hubs run at a time: each is four processes, and takes three of the 128 inotify instances of a user.
_RUNNING = 4
#: How long a line may still be written to a file that was renamed.
_APPENDED_SECONDS = 0.2
_CONNECTED = "hive.client.connect"
#: What the hub logs each time that its connection with the broker stands, right before it subscribes.
_SUBSCRIBED = "[MQTT] Connected to broker"
_NODE_ID = re.compile(r"node.?id\W*?(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class BinaryProtocol:
    """What a hub does with binary data.

    `module` is the name of an entry point, and `settings` are its own, as JSON text. `package` lies on the hub's path.
    `requirements` are pip arguments: these packages are there too, without what they require, in a folder of that
    `name`. Programs in the folder `programs` are found before those of the machine.
    """

    name: str
    module: str
    settings: str
    package: Package
    requirements: tuple[str, ...] = ()
    programs: Optional[Path] = None


@dataclass(frozen=True)
class HubOptions:
    """What a hub is started with; None leaves the hub's own default. Hubs of equal options are shared.

    `name` is the hub's site id, and what utterances call it (answerer.py). `binary` is what it loads for binary data.
    `http` lets it listen for HTTP too, and `tls` for TLS alone. `upper` are the options of the hub above.
    """

    binarize: bool = False
    allowed_ciphers: Optional[tuple[str, ...]] = None
    allowed_encodings: Optional[tuple[str, ...]] = None
    min_protocol_version: Optional[int] = None
    name: str = "hub"
    binary: Optional[BinaryProtocol] = None
    http: bool = False
    tls: bool = False
    upper: Optional[HubOptions] = None

    def known_to(self, spec: HubSpec) -> HubOptions:
        """These options without those that a hub does not know."""
        unknown = {field.name: field.default for field in fields(self) if field.name not in spec.settings}
        return replace(self, **unknown)

    def server_json(self, hub_port: int, bus_port: int, http_port: int, broker_port: int = 0) -> Json:
        """The content of the hub's `server.json`, but for the hub above; it has no broker at port 0."""
        settings: Json = {
            "binarize": self.binarize,
            "presence": {"enabled": False},
            "network_protocol": {
                "hivemind-websocket-plugin": {"host": HOST, "port": hub_port, "ssl": self.tls}
            },
            "agent_protocol": {
                "module": "hivemind-ovos-agent-plugin",
                "hivemind-ovos-agent-plugin": {"host": HOST, "port": bus_port},
            },
        }
        if self.http:
            plugin = {"host": HOST, "port": http_port, "ssl": self.tls}
            if self.binary is not None:  # it keeps 256 frames for a client by default, of 65 kB each
                plugin["max_undelivered"] = 1024
            settings["network_protocol"]["hivemind-http-plugin"] = plugin
        if broker_port:
            broker = {"broker_host": HOST, "broker_port": broker_port}
            settings["network_protocol"]["hivemind-mqtt-plugin"] = broker
        for name in ("allowed_ciphers", "allowed_encodings"):
            names = getattr(self, name)
            if names is not None:
                settings[name] = list(names)
        if self.min_protocol_version is not None:
            settings["min_protocol_version"] = self.min_protocol_version
        if self.binary is not None:
            settings["binary_protocol"] = {
                "module": self.binary.module,
                self.binary.module: json.loads(self.binary.settings),
            }
        return settings


#: A hub that is left as its release comes.
DEFAULTS = HubOptions()


def xdg_environment(home: Path, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment variables of a process that keeps all its files under `home`, with no settings of ours."""
    inherited = os.environ if base is None else base
    env = {name: value for name, value in inherited.items() if not name.startswith(("HIVEMIND_", "OVOS_"))}
    env["HOME"] = str(home)
    for kind in ("CONFIG", "DATA", "CACHE", "STATE"):
        folder = home / kind.lower()
        folder.mkdir(parents=True, exist_ok=True)
        env[f"XDG_{kind}_HOME"] = str(folder)
    env["PYTHONUNBUFFERED"] = "1"
    return env


class RealHub:
    """One running hub. `host` and `port` are where satellites connect, `http_port` is where they poll.

    `broker` is what its satellites are behind where it serves them over MQTT, and None else. It ends with the hub.

    `start()` first. `upper` is the hub above it, a running one, or None. Every method is bounded in time and
    raises HarnessError when the hub fails.
    """

    def __init__(
        self, spec: HubSpec, options: HubOptions = DEFAULTS, upper: Optional[RealHub] = None
    ) -> None:
        self.spec = spec
        self.options = options
        self.upper = upper
        self.host = HOST
        self.port = 0
        self.http_port = 0
        self._bus_port = 0
        self.mended = 0
        self._read_to, self._end_of_log = 0, ""
        self._probe_key: str | None = None
        binary = options.binary
        self._venv: Environment = environment(spec)
        more = {binary.name: binary.requirements} if binary else {}
        more[spec.scheme] = spec.beside
        self._more = [beside(spec, name, wanted) for name, wanted in more.items() if wanted]
        self._home = Path(tempfile.mkdtemp(prefix="hivemind-interop-"))
        self._env = xdg_environment(self._home)
        self.broker = Broker(self._home, self._env) if spec.scheme == "mqtt" else None
        self._record = self._home / "seen.jsonl"
        self._clients_file = Path(self._env["XDG_DATA_HOME"]) / "hivemind-core" / "clients.json"
        self._bus: Process | None = None
        self._answerer: Process | None = None
        self._hub: Process | None = None
        self._commands: LineServer | None = None

    @property
    def alive(self) -> bool:
        """True while all of its processes run, and those of the hub above."""
        parts = (self._bus, self._answerer, self._hub, *([self.broker] if self.broker else []))
        above = self.upper is None or self.upper.alive
        return above and all(part is not None and part.alive for part in parts)

    @property
    def address(self) -> Json:
        """`host` and `port`, as the options of a client have them, for one that reaches it by its own scheme."""
        if self.broker is not None:
            return {"host": f"mqtt://{HOST}", "port": self.broker.port}
        return {"host": self.host, "port": self.port}

    def start(self) -> RealHub:
        """Start the bus, the answering client and the hub, and wait until the hub's port listens."""
        # A free port may be taken by somebody else before the child binds it.
        for attempt in range(_ATTEMPTS):
            try:
                self._start()
                return self
            except HarnessError:
                self._end_processes()
                if attempt == _ATTEMPTS - 1:
                    raise
        return self

    def start_again(self) -> None:
        """Start a hub that was killed, on the same port."""
        binary, subscribed = self.options.binary, self._times_subscribed()
        plugins = binary.package.write(self._home / "plugins") if binary else None
        env = {
            **self._env,
            "PYTHONPATH": _joined(plugins, *self._more),
            "PATH": _joined(binary and binary.programs, os.environ.get("PATH")),
        }
        hub = Process(
            f"{self.spec.name} hub",
            [self._venv.command("hivemind-core"), "listen"],
            env,
            self._home / "hub.log",
        )
        self._hub = hub
        hub.start()
        hub.wait_for(lambda: is_listening(self.port), _START_SECONDS, f"port {self.port}")
        if self.options.http:
            hub.wait_for(lambda: is_listening(self.http_port), _START_SECONDS, f"port {self.http_port}")
        if self.broker is not None:
            hub.wait_for(
                lambda: self._times_subscribed() > subscribed, _START_SECONDS, "subscription at its broker"
            )

    def kill(self) -> None:
        """End the hub at once, as a power cut would; the OVOS bus goes on, and the clients stay known.

        4.0.0 writes its file of clients anew for each message: one that is killed over that knows nobody any more. A
        file that was cut off is put back as it was, and counted in `mended`.
        """
        before = self._clients()
        if self._hub is not None:
            self._hub.kill()
        if before is not None and not _is_json(self._clients_file.read_bytes()):
            self._clients_file.write_bytes(before)
            self.mended += 1

    def pause(self) -> None:
        """Let the hub stand still, as if its machine had no time for it."""
        if self._hub is not None:
            self._hub.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        if self._hub is not None:
            self._hub.send_signal(signal.SIGCONT)

    def forget_noise_key(self) -> None:
        """Take away the static key of a hub that does not run: it makes another one when it starts."""
        for path in (Path(self._env["XDG_CONFIG_HOME"]) / "hivemind").glob("*_noise.key"):
            path.unlink()

    def stop(self) -> None:
        """End this hub's own processes and remove its files."""
        self._end_processes()
        shutil.rmtree(self._home, ignore_errors=True)

    def add_client(self, name: str, key: str, password: str, crypto_key: str | None = None) -> int:
        """Register a satellite with the hub's own command line. Returns its node id.

        `crypto_key` is a pre-shared key of 16 characters, for hubs that take one.
        """
        options = ["--name", name, "--access-key", key, "--password", password]
        if crypto_key is not None and self.spec.legacy_key is not None:
            options += ["--crypto-key", crypto_key, *self.spec.legacy_key]
        output = self.command("add-client", *options)
        found = _NODE_ID.search(output)
        if found is None:
            raise HarnessError(f"add-client told no node id:\n{tail(output)}")
        node_id = int(found.group(1))
        for msg_type in self.spec.allowed:
            self.allow_msg(msg_type, node_id)
        return node_id

    def wait_until_ready(self, seconds: float = _READY_SECONDS) -> None:
        """Wait until what a satellite sends reaches the hub's OVOS bus.

        Hub 4.0.0 loses its bus for 5 s when a satellite hangs up in the very moment in which an answer is
        written to it. That must not fail the next test.
        """
        if self._probe_key is None:
            self._probe_key = f"probe-{self.port}"
            self.add_client("probe", self._probe_key, f"Probing-Horse-{self.port}-Battery-Staple")
        if not wait_until(self._probe_arrives, seconds):
            raise HarnessError(f"{self.spec.name} has lost its OVOS bus\n{tail(self.log())}")

    def allow_msg(self, msg_type: str, node_id: int) -> None:
        """Let a satellite send an OVOS message type."""
        self.command("allow-msg", msg_type, str(node_id))

    def make_admin(self, node_id: int) -> None:
        """Make a satellite an administrator."""
        self.command("make-admin", str(node_id))

    def command(self, *arguments: str) -> str:
        """Run a command of `hivemind-core` with the hub's own files and return its output."""
        if self._commands is None:
            raise HarnessError(f"{self.spec.name} was not started")
        done = self._commands.ask(arguments, _COMMAND_SECONDS)
        if done["exit_code"]:
            raise HarnessError(f"{arguments[0]} ended with {done['exit_code']}:\n{tail(done['output'])}")
        return str(done["output"])

    def reference_client(self, home: Path) -> LineServer:
        """The reference client that came with this hub, as reference.py runs it, with its files under `home`."""
        venv = environment(self.spec.reference or self.spec)
        command = [venv.command("python"), _script("reference.py")]
        env = xdg_environment(home)
        return LineServer("reference client", command, env, home / "reference.log")

    def seen(self, msg_type: str) -> list[Json]:
        """The messages of this type that passed on the hub's OVOS bus: `{"type", "data", "context"}` each."""
        if not self._record.exists():
            return []
        lines = self._record.read_text(encoding="utf-8").split("\n")
        # What follows the last newline is a line that is still being written.
        messages = [json.loads(line) for line in lines[:-1]]
        return [message for message in messages if message.get("type") == msg_type]

    @contextmanager
    def overheard(self) -> Iterator[list[Json]]:
        """What passes on the hub's OVOS bus from now on, in its order: `seen` is written by several threads."""
        from websockets.sync.client import connect  # the harness's own tests run without it

        heard: list[Json] = []
        with connect(f"ws://{HOST}:{self._bus_port}/core", max_size=None) as bus:

            def listen() -> None:
                for text in bus:
                    heard.append(json.loads(text))

            listener = threading.Thread(target=listen, daemon=True)
            listener.start()
            yield heard
        listener.join()

    def take_seen(self, msg_type: str) -> list[Json]:
        """As `seen`, but of what passed since this was last called, and nothing is kept: for one who asks for hours."""
        taken = self._record.with_suffix(".taken")
        try:
            self._record.replace(taken)
        except FileNotFoundError:
            return []
        time.sleep(_APPENDED_SECONDS)
        messages = [json.loads(line) for line in taken.read_text(encoding="utf-8").splitlines()]
        return [message for message in messages if message.get("type") == msg_type]

    def bus_is_lost(self) -> bool:
        """Whether the hub lost its own OVOS bus since this was last called."""
        if not self.spec.bus_loss or self._hub is None:
            return False
        with (self._home / "hub.log").open(encoding="utf-8", errors="replace") as log:
            log.seek(self._read_to)  # it goes on when the hub is started again, and gets long
            lines = (self._end_of_log + log.read()).split("\n")
            self._read_to = log.tell()
        self._end_of_log = lines.pop()
        return any(loss in line for line in lines for loss in self.spec.bus_loss)

    def wait_for_log(self, text: str, seconds: float = 5.0, then: str = "") -> bool:
        """True once a line of the hub's log holds `text`, and `then` after it; False if none does in `seconds`."""
        return wait_until(
            lambda: any(then in line.partition(text)[2] for line in self.log().splitlines() if text in line),
            seconds,
        )

    def has_lost_bus(self, since: int) -> bool:
        """Whether the hub's log tells, from its character number `since` on, that it lost its own OVOS bus."""
        log = self.log()[since:] if self.spec.bus_loss else ""
        return any(loss in log for loss in self.spec.bus_loss)

    def log(self) -> str:
        """What the hub wrote since it was first started."""
        return self._hub.log() if self._hub is not None else ""

    def _start(self) -> None:
        self.port, self._bus_port, self.http_port = free_port(), free_port(), free_port()
        self._write_settings()
        self._record.unlink(missing_ok=True)
        if self.broker is not None:
            self.broker.start()
        # All of them take a second or two to import what they need: let them do it at once.
        self._commands = LineServer(
            f"{self.spec.name} commands",
            [self._venv.command("python"), _script("commands.py")],
            self._env,
            self._home / "commands.log",
        )
        self._bus = self._process("bus", self._venv.command("ovos-messagebus"))
        self._bus.start()
        self._bus.wait_for(lambda: is_listening(self._bus_port), _START_SECONDS, f"port {self._bus_port}")
        self._answerer = self._process(
            "answerer",
            self._venv.command("python"),
            _script("answerer.py"),
            str(self._bus_port),
            str(self._record),
            self.options.name,
        )
        self._answerer.start()
        self.start_again()
        self._answerer.wait_for(lambda: bool(self.seen(READY)), _START_SECONDS, "connection to the bus")
        if self.upper is not None and not self.upper.wait_for_log(
            f"::hub{self.port}::", _START_SECONDS, then="message: hello"
        ):
            raise HarnessError(f"{self.spec.name} did not reach the hub above it\n{tail(self.log())}")

    def _times_subscribed(self) -> int:
        return self.log().count(_SUBSCRIBED)

    def _probe_arrives(self) -> bool:
        before = len(self.seen(_CONNECTED))
        token = base64.b64encode(f"probe:{self._probe_key}".encode()).decode()
        connection = create_connection(
            f"{'wss' if self.options.tls else 'ws'}://{self.host}:{self.port}?authorization={token}",
            timeout=5.0,
            sslopt={"cert_reqs": ssl.CERT_NONE},
        )
        try:
            return wait_until(lambda: len(self.seen(_CONNECTED)) > before, seconds=1.0)
        finally:
            connection.close()

    def _write_settings(self) -> None:
        config = Path(self._env["XDG_CONFIG_HOME"])
        bus = {"websocket": {"host": HOST, "port": self._bus_port, "route": "/core", "ssl": False}}
        _write_json(config / "mycroft" / "mycroft.conf", bus)
        _write_json(config / "hivemind" / "_identity.json", {"site_id": self.options.name})
        broker_port = self.broker.port if self.broker is not None else 0
        server = self.options.server_json(self.port, self._bus_port, self.http_port, broker_port)
        if self.upper is not None:
            server["upstream"] = self._upstream(self.upper)
        _write_json(config / "hivemind-core" / "server.json", server)

    def _upstream(self, upper: RealHub) -> Json:
        key = f"key-of-hub-{self.port}"
        password = f"Lower-Horse-{self.port}-Battery-Staple"
        upper.add_client(f"hub{self.port}", key, password)
        return {"enabled": True, "host": HOST, "port": upper.port, "key": key, "password": password}

    def _clients(self) -> bytes | None:
        """The hub's file of clients in a moment in which it is whole; None for a hub with a database."""
        if not self._clients_file.exists():
            return None
        found = []

        def is_whole() -> bool:
            found.append(self._clients_file.read_bytes())
            return _is_json(found[-1])

        if not wait_until(is_whole, _READY_SECONDS):
            raise HarnessError(f"{self.spec.name} has broken its file of clients")
        return found[-1]

    def _process(self, name: str, *command: str) -> Process:
        return Process(f"{self.spec.name} {name}", command, self._env, self._home / f"{name}.log")

    def _end_processes(self) -> None:
        for part in (self._hub, self._answerer, self._bus):
            if part is not None:
                part.stop()
        if self.broker is not None:
            self.broker.stop()
        if self._commands is not None:
            self._commands.stop()
            self._commands = None


class HubPool:
    """The hubs of one test process, started on first use and shared by tests that want the same options.

    When `most` of them run, the one that was asked for longest ago ends for a new one. Hubs above others stay.
    """

    def __init__(self, most: int = _RUNNING) -> None:
        self._most = most
        # The one that was asked for last is the last of them.
        self._hubs: dict[tuple[str, HubOptions], RealHub] = {}

    def get(self, spec: HubSpec, options: HubOptions = DEFAULTS) -> RealHub:
        """A running hub, and above it the one that `options.upper` asks for.

        One that an earlier test left dead is replaced.
        """
        options = options.known_to(spec)
        upper = self.get(spec.reference or spec, options.upper) if options.upper is not None else None
        where = (spec.version, options)
        hub = self._hubs.pop(where, None)
        if hub is not None and (not hub.alive or hub.upper is not upper):
            hub.stop()
            hub = None
        if hub is None:
            self._make_room(upper)
            hub = RealHub(spec, options, upper).start()
        self._hubs[where] = hub
        return hub

    def _make_room(self, upper: Optional[RealHub]) -> None:
        above = [upper, *(hub.upper for hub in self._hubs.values())]
        for where, hub in list(self._hubs.items()):
            if len(self._hubs) < self._most:
                return
            if hub not in above:
                self._hubs.pop(where).stop()

    def stop(self) -> None:
        """End every hub of the pool."""
        for hub in self._hubs.values():
            hub.stop()
        self._hubs.clear()


def _joined(*folders: object) -> str:
    return os.pathsep.join(str(folder) for folder in folders if folder)


def _write_json(path: Path, content: Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def _script(name: str) -> str:
    return str(Path(__file__).with_name(name))
