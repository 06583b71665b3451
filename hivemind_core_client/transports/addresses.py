"""From a name to a connected socket: each of its addresses is tried, as kernel/racing.py has it."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from selectors import EVENT_WRITE, BaseSelector
from typing import Any, Optional

from hivemind_core_client.kernel.racing import Race
from hivemind_core_client.transports.shared_socket import new_selector

_GOES_ON = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY, errno.EINTR})


def connect_tcp(host: str, port: int, seconds: float) -> socket.socket:
    """A connection with whichever address of `host` takes one first, all within `seconds`.

    Raises socket.timeout or TimeoutError (also for a resolver that hangs), socket.gaierror or another OSError.
    """
    began = time.monotonic()
    race = Race(resolve(host, port, seconds), seconds, began)
    with new_selector() as selector:
        try:
            while True:
                step = race.step(time.monotonic())
                made, code = _begin(*step) if isinstance(step, tuple) else _first_ready(selector, step)
                if made is not None and not code:
                    return made
                if made is not None and code in _GOES_ON:
                    selector.register(made, EVENT_WRITE)
                elif code:
                    race.failed(OSError(code, os.strerror(code)), time.monotonic())
        finally:
            for key in selector.get_map().values():
                key.fileobj.close()  # type: ignore[union-attr]  # sockets only


def _begin(
    family: int, kind: int, protocol: int, _name: str, address: Any
) -> tuple[Optional[socket.socket], int]:
    """A socket that connects, and how far it has come; none of a family that the kernel does not know."""
    try:
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        return None, error.errno or errno.EAFNOSUPPORT
    made.setblocking(False)
    return _unless_failed(made, made.connect_ex(address))


def _first_ready(selector: BaseSelector, seconds: float) -> tuple[Optional[socket.socket], int]:
    """One that came through or failed within some seconds, and how; the others stay where they are."""
    for key, _ in selector.select(seconds):
        made: socket.socket = key.fileobj  # type: ignore[assignment]  # sockets only
        selector.unregister(made)
        return _unless_failed(made, made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    return None, 0


def _unless_failed(made: socket.socket, code: int) -> tuple[Optional[socket.socket], int]:
    if not code or code in _GOES_ON:
        return made, code
    made.close()
    return None, code


def resolve(host: str, port: int, seconds: float) -> list[Any]:
    """getaddrinfo, which has no timeout, on a thread that is left to itself when it takes too long.

    Raises socket.timeout then, and what getaddrinfo raises.
    """
    answer: list[Any] = []

    def ask() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer.append(error)

    asking = threading.Thread(target=ask, name="hivemind-resolver", daemon=True)
    if begun(asking):
        asking.join(seconds)
    else:
        ask()
    if not answer:
        raise socket.timeout("timed out")
    if isinstance(answer[0], Exception):
        raise answer[0]
    return list(answer[0])


def begun(thread: threading.Thread) -> bool:
    """Start a thread; False where none can begin any more: from Python 3.12 on, in what runs when Python exits."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True
