"""`python -m tests.soak --seconds 3600`: a soak against real hubs; writes its section of docs/interop.md."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.interop.answerer import COUNT
from tests.interop.hubs import HubOptions, RealHub, xdg_environment
from tests.interop.specs import HUBS, HubSpec

from .proxy import HOST, Proxy
from .report import PAGE, section, with_soak
from .running import Soak
from .satellites import Satellite
from .trouble import Place


def main() -> int:
    """The exit code: 1 where the books do not balance, or something grows."""
    asked = _arguments()
    logging.disable()
    hubs = [spec for spec in HUBS if asked.hub in (None, spec.version)]
    with ExitStack() as stack:
        _use_own_files(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hivemind-soak-"))))
        places = [stack.enter_context(_place(spec, asked.pause)) for spec in hubs]
        outcome = Soak(places, asked.seconds, seed=asked.seed).run(lambda text: print(text, flush=True))
    text = section(outcome)
    print(text)
    for fault in outcome.faults:
        print(f"does not hold: {fault}")
    if not asked.dry:
        PAGE.write_text(with_soak(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    return 1 if outcome.faults else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0, help="how long it runs (default 3600)")
    parser.add_argument("--hub", help="the version of one hub (default: every one)")
    parser.add_argument("--seed", type=int, default=1, help="another order of troubles")
    parser.add_argument("--pause", type=float, default=0.25, help="seconds between two messages of a client")
    parser.add_argument("--dry", action="store_true", help="leave docs/interop.md as it is")
    return parser.parse_args()


def _use_own_files(home: Path) -> None:
    env = xdg_environment(home)
    for name in set(os.environ) - set(env):
        if not name.startswith("HIVEMIND_INTEROP_"):
            del os.environ[name]
    os.environ.update(env)


@contextmanager
def _place(spec: HubSpec, pause: float) -> Iterator[Place]:
    """A hub with a client of each kind that it serves, each through a proxy."""
    hub = RealHub(spec, HubOptions(name="soak", http=True).known_to(spec))
    with ExitStack() as stack:
        stack.callback(hub.stop)
        hub.start()
        websocket = stack.enter_context(Proxy(hub.port))
        proxies, ports = [websocket], {"threads": websocket.port, "asyncio": websocket.port}
        if "http" not in spec.lacks:
            proxies.append(stack.enter_context(Proxy(hub.http_port)))
            ports["http"] = proxies[-1].port
        satellites = [_satellite(hub, kind, port, pause) for kind, port in ports.items()]
        for each in satellites:
            stack.callback(each.close)
        yield Place(spec.name, hub, proxies, satellites)


def _satellite(hub: RealHub, kind: str, port: int, pause: float) -> Satellite:
    name = f"soak-{kind}"
    key, password = f"key-of-{name}", f"Correct-Horse-{name}-Battery-Staple"
    hub.allow_msg(COUNT, hub.add_client(name, key, password))
    return Satellite(name, kind, pause, key=key, password=password, host=HOST, port=port)


if __name__ == "__main__":
    sys.exit(main())
