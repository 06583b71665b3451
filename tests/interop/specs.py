"""The hubs under test, as data, and the virtual environment that each of them lives in."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Optional

from .processes import HarnessError, run

_REPOSITORY = Path(__file__).resolve().parents[2]
_INSTALL_SECONDS = 900.0
_MARKER = "installed.txt"
_COMMON_SETTINGS = ("binarize", "allowed_ciphers", "allowed_encodings", "name", "binary")


@dataclass(frozen=True)
class HubSpec:
    """One hub release.

    `requirements` are pip arguments. `versions` are the handshake versions it offers. `lacks` maps a
    feature that a behaviour may need to the reason why this hub has none of it. `settings` are the fields of
    HubOptions that this hub knows: two sets of options that differ in others only are one to it. `allowed` are
    the message types that must be allowed by hand before a new client may send them, and `legacy_key` are
    the options of `add-client` without which it takes no pre-shared key (None: it never takes one). `keys` is how
    many access keys a fleet of clients has, when it need not be one for each. One of `bus_loss` stands in the hub's
    log when it has lost its own OVOS bus, which is no fault of any client. `installed` gives its environment, where
    that is more than its requirements. `reference` is the release with the reference client where this one has
    another: the hub above it, and the reference client of a row, are of that. `scheme` is how clients reach it: with
    `mqtt` it serves them through a broker of its own, `beside` which it needs more packages.
    """

    version: str
    requirements: tuple[str, ...]
    versions: tuple[int, ...]
    lacks: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = _COMMON_SETTINGS
    allowed: tuple[str, ...] = ()
    bus_loss: tuple[str, ...] = ()
    legacy_key: Optional[tuple[str, ...]] = ()
    keys: Optional[int] = None
    installed: Optional[Callable[[], Environment]] = None
    reference: Optional[HubSpec] = None
    scheme: str = "ws"
    beside: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How reports name it."""
        return f"hivemind-core {self.version}"


HUBS: tuple[HubSpec, ...] = (
    HubSpec(
        version="4.0.0",
        requirements=(
            "hivemind-core==4.0.0",
            "hivemind-json-db-plugin==0.0.2",
            "hivemind-ovos-agent-plugin==0.1.0",
            "hivemind-websocket-protocol==0.0.3",
            "ovos-messagebus==0.0.10",
            "hivemind_bus_client==0.9.1a1",
            "ovos-bus-client==1.5.0",
            "poorman-handshake==1.0.1",
            # 4.0.0 does not start with bitstring 5.
            "bitstring<5",
        ),
        versions=(0, 1),
        bus_loss=(
            "'NoneType' object has no attribute 'advance'",
            "Message Bus Client will reconnect in",
            "message because connection has been closed",
        ),
        lacks={
            "noise": "it speaks versions 0 and 1 only",
            "mesh": "it sends on the bare inner message, whose site and sender are lost, and only BUS",
            "query": "it answers no QUERY, CASCADE or PING",
            "denials": "it drops what it does not allow, and does not say so",
            "upstream": "it connects with no hub above it",
            "many messages": "it reads and writes its file of clients for each message, so that thousands take minutes",
            "http": "the releases of hivemind-http-protocol want a later hub",
            "sound": "it is tried with hivemind-core 5, which it was made for",
        },
        # It reads and writes the file of all that it knows for each message.
        keys=20,
    ),
    HubSpec(
        version="4.15.0a1",
        requirements=(
            "hivemind-core==4.15.0a1",
            # From 0.0.14a1 on it wants hivemind-core 5.
            "hivemind-http-protocol==0.0.13a1",
            "hivemind-json-db-plugin==0.0.6a1",
            "hivemind-ovos-agent-plugin==0.5.3a1",
            # From 0.9.0a7 on, clients have no crypto_key, without which 4.15.0a1 can add none.
            "hivemind-plugin-manager==0.9.0a5",
            "hivemind-sqlite-database==0.4.3a4",
            "hivemind-websocket-protocol==0.2.11a1",
            "hivemind_bus_client==1.2.12a1",
            "json_database==1.0.5a1",
            "ovos-bus-client==2.11.29a1",
            "ovos-config==3.9.0a1",
            "ovos-messagebus==0.2.1a6",
            "ovos-plugin-manager==2.12.5a1",
            "ovos-spec-tools==1.16.0a1",
            "ovos-utils==0.15.6a1",
            "poorman-handshake==2.0.3a1",
            "quebra-frases==0.3.8a1",
            "z85base91==0.0.7a1",
            "bitstring<5",
        ),
        versions=(0, 1, 2, 3),
        lacks={
            "binary frames": "its answers to QUERY do not fit into binary frames, so only BINARY is sent in those",
            "pieces": "it breaks on a message of protocol version 3 in pieces",
            "sound": "it is tried with hivemind-core 5, which it was made for",
        },
        settings=(*_COMMON_SETTINGS, "min_protocol_version", "upper", "http"),
        allowed=("recognizer_loop:utterance",),
        legacy_key=("--allow-legacy-crypto-key",),
    ),
    HubSpec(
        version="5.3.10a1",
        requirements=(
            "hivemind-core==5.3.10a1",
            "hivemind-http-protocol==0.0.20a2",
            "hivemind-json-db-plugin==0.0.6a1",
            "hivemind-ovos-agent-plugin==0.5.3a1",
            "hivemind-plugin-manager==0.10.0a1",
            "hivemind-sqlite-database==0.4.3a9",
            "hivemind-websocket-protocol==1.0.6a1",
            "hivemind_bus_client==1.2.12a1",
            "json_database==1.0.5a1",
            "ovos-bus-client==2.11.29a1",
            "ovos-config==3.9.0a1",
            "ovos-messagebus==0.2.1a6",
            "ovos-plugin-manager==2.12.5a1",
            "ovos-spec-tools==1.16.0a1",
            "ovos-utils==0.15.6a1",
            "poorman-handshake==2.0.3a1",
            "quebra-frases==0.3.8a1",
            "z85base91==0.0.7a1",
        ),
        versions=(3,),
        lacks={
            "older versions": "it speaks version 3 only",
            "binary frames": "its answers to QUERY do not fit into binary frames, so only BINARY is sent in those",
        },
        settings=(*_COMMON_SETTINGS, "min_protocol_version", "upper", "http", "tls"),
        allowed=("recognizer_loop:utterance",),
        legacy_key=None,
    ),
)


#: The newest hub, whose satellites are behind a broker. It listens for WebSockets too.
OVER_MQTT = replace(
    HUBS[-1],
    version=f"{HUBS[-1].version} MQTT",
    lacks={
        **HUBS[-1].lacks,
        "login": "over MQTT the key is in the topic, so it holds no `+`, `/` or `#`, and no name is sent with it",
        "strangers": "over MQTT it tells nothing to who has a key that it does not know",
        "port": "the port is that of the broker, and so are the errors: see below",
        "reasons": "over MQTT it does not say why it ends a session, so the error names other causes too",
        "reference": "the reference client does not speak MQTT",
        "unknown types": "over MQTT it drops a message of a type that it does not know, and the session goes on",
        "bursts": "its threads write to the broker side by side: of many messages some overtake others (paho-mqtt)",
    },
    installed=lambda: environment(HUBS[-1]),
    reference=HUBS[-1],
    scheme="mqtt",
    beside=("hivemind-mqtt-protocol==0.2.5a2", "paho-mqtt==2.1.0"),
)
#: The hubs that have columns in the table.
COLUMNS = (*HUBS, OVER_MQTT)


@dataclass(frozen=True)
class Environment:
    """An installed hub: where its Python and its commands are."""

    root: Path

    def command(self, name: str) -> str:
        """Path of a console script or of `python`."""
        return str(self.root / "bin" / name)


def environment(spec: HubSpec) -> Environment:
    """The virtual environment of a hub, made on first use and kept.

    It lies in `$HIVEMIND_INTEROP_CACHE` (default `.cache/interop` in the repository), one per hub and Python.
    The Python is `$HIVEMIND_INTEROP_PYTHON`, by default the one that runs the tests. Raises HarnessError if
    the installation fails.
    """
    if spec.installed is not None:
        return spec.installed()
    python = interpreter()
    root = cached(f"{spec.version}-py{python_version(python)}")
    with locked(root.with_suffix(".lock")):
        if not _is_complete(root, spec):
            _install(root, spec, python)
    return Environment(root)


def beside(spec: HubSpec, name: str, requirements: tuple[str, ...]) -> Path:
    """A folder for a PYTHONPATH with more than a hub has, made on first use and kept beside the environments.

    `requirements` are installed without what they require themselves: that is among them, or the hub has it. Raises
    HarnessError if the installation fails.
    """
    venv = environment(spec)
    folder = cached(f"beside-{name}-py{python_version(venv.command('python'))}")
    marker, text = folder / _MARKER, "\n".join(requirements) + "\n"
    with locked(folder.with_suffix(".lock")):
        if not marker.exists() or marker.read_text(encoding="utf-8") != text:
            shutil.rmtree(folder, ignore_errors=True)
            pip = [venv.command("python"), "-m", "pip", "-q", "--disable-pip-version-check"]
            run(
                [*pip, "install", "--no-deps", "--target", str(folder), *requirements],
                seconds=_INSTALL_SECONDS,
            )
            marker.write_text(text, encoding="utf-8")
    return folder


def interpreter() -> str:
    """The Python that environments are made of: `$HIVEMIND_INTEROP_PYTHON`, by default the one that runs the tests."""
    return os.environ.get("HIVEMIND_INTEROP_PYTHON") or sys.executable


def cached(name: str) -> Path:
    """A path in `$HIVEMIND_INTEROP_CACHE`, which is made; nothing is at the path unless somebody puts it there."""
    path = Path(os.environ.get("HIVEMIND_INTEROP_CACHE") or _REPOSITORY / ".cache" / "interop")
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve() / name


def python_version(python: str) -> str:
    """Its version, as in `3.11`."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return run([python, "-c", code], seconds=30).strip()


@contextmanager
def locked(lock_file: Path) -> Iterator[None]:
    """Let nobody else in who asks for the same file."""
    # Two runs at once must not build into one directory; the lock ends with the process that holds it.
    with lock_file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _is_complete(root: Path, spec: HubSpec) -> bool:
    marker = root / _MARKER
    return marker.exists() and marker.read_text(encoding="utf-8") == _marker_text(spec)


def _marker_text(spec: HubSpec) -> str:
    return "\n".join(spec.requirements) + "\n"


def _install(root: Path, spec: HubSpec, python: str) -> None:
    # An environment without its marker was cut off half-way: what is in it cannot be trusted.
    if root.exists():
        shutil.rmtree(root)
    run([python, "-m", "venv", str(root)], seconds=120)
    pip = [str(root / "bin" / "python"), "-m", "pip", "-q", "--disable-pip-version-check"]
    try:
        run([*pip, "install", *spec.requirements], seconds=_INSTALL_SECONDS)
    except HarnessError as error:
        raise HarnessError(f"{spec.name} could not be installed: {error}") from error
    (root / _MARKER).write_text(_marker_text(spec), encoding="utf-8")
