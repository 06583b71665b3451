"""A proxy on loopback for any TCP: it can cut what goes through it, hold it up, and slow it down."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

HOST = "127.0.0.1"
#: The name of all threads of proxies.
NAME = "proxy"
_PIECE_BYTES = 4096
_STEP_S = 0.05
_CONNECT_S = 5.0


class Proxy:
    """Listens on `port` while in a `with`, and passes on to `target`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._flows = threading.Event()
        self._flows.set()
        self._slow = False
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()

    def __enter__(self) -> Proxy:
        """Listen."""
        threading.Thread(target=self._accept, name=NAME, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Cut all, and listen no more."""
        self._over.set()
        self._flows.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    @property
    def descriptors(self) -> int:
        """How many sockets it has open, but for the one that listens."""
        return len(self._open)

    def cut(self) -> int:
        """End every connection at once, without a farewell; returns how many."""
        with self._lock:
            cut, self._open = self._open, set()
        for each in cut:
            with suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.shutdown(socket.SHUT_RDWR)
        return len(cut)

    def hold(self, held: bool) -> None:
        """Let nothing through, or go on."""
        self._flows.clear() if held else self._flows.set()

    def slow(self, slow: bool) -> None:
        """Let 80 kB through in a second, each way, or as much as comes."""
        self._slow = slow

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(near,), name=NAME, daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection((HOST, self._target), _CONNECT_S)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        with self._lock:
            self._open |= {near, far}
        back = threading.Thread(target=self._pump, args=(far, near), name=NAME, daemon=True)
        back.start()
        self._pump(near, far)
        back.join()
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_PIECE_BYTES if self._slow else 65536):
                self._flows.wait()
                if self._slow:
                    self._over.wait(_STEP_S)
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
