"""Debian's mosquitto on loopback: the broker between satellites and a hub that serves them over MQTT."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from .processes import HarnessError, Process, free_port, is_listening, run
from .specs import cached, locked

_APT_SECONDS = 300.0
_START_SECONDS = 20.0
#: Where Debian puts it, which is not on the PATH of every user.
_FOLDERS = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
#: It drops what a hub has not read yet beyond 1,000 messages by default, and a hub reads a few hundred in a second.
_SETTINGS = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_queued_messages 0
"""


class NoBroker(HarnessError):
    """There is no mosquitto on this machine, and it could not be installed."""


class Broker:
    """One mosquitto with a settings file of its own. It keeps what is retained until it ends, and no longer.

    `more` are lines of its settings file beyond those that it needs, as for logins. Its port stays the same.
    """

    def __init__(self, home: Path, env: Mapping[str, str], more: str = "") -> None:
        self.port = free_port()
        self._home = home
        self._env = env
        self._more = more
        self._process: Optional[Process] = None

    @property
    def alive(self) -> bool:
        """True while it runs."""
        return self._process is not None and self._process.alive

    def start(self) -> Broker:
        """Start it, for the first time or again, and wait until it listens. Raises NoBroker where there is none."""
        settings = self._home / "mosquitto.conf"
        settings.write_text(_SETTINGS.format(port=self.port) + self._more, encoding="utf-8")
        command = [program(), "-c", str(settings)]
        self._process = Process("mosquitto", command, self._env, self._home / "mosquitto.log")
        self._process.start()
        self._process.wait_for(lambda: is_listening(self.port), _START_SECONDS, f"port {self.port}")
        return self

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """Ask it to end."""
        if self._process is not None:
            self._process.stop()

    def log(self) -> str:
        """What it wrote since it was first started."""
        return self._process.log() if self._process is not None else ""


def program() -> str:
    """The path of mosquitto, which is installed by apt where it is absent. Raises NoBroker where it cannot be."""
    with locked(cached("mosquitto.lock")):
        found = _found()
        if found is None:
            _install()
            found = _found()
    if found is None:
        raise NoBroker("apt has installed mosquitto, and it is not there")
    return found


def _found() -> Optional[str]:
    return shutil.which("mosquitto", path=_FOLDERS)


def _install() -> None:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise NoBroker("mosquitto is not installed, and only root can install it, with apt")
    # At run level 1 Debian starts no service of a package that it installs: port 1883 stays free.
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    try:
        run(["apt-get", "-q", "update"], _APT_SECONDS, env)
        run(["apt-get", "-qy", "install", "--no-install-recommends", "mosquitto"], _APT_SECONDS, env)
    except HarnessError as error:
        raise NoBroker(f"mosquitto is not installed, and apt cannot: {error}") from error
