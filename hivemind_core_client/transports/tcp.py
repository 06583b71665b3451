"""One TCP connection with a hub, with TLS where it is wanted, opened phase by phase and ended from any thread."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable, Optional, Protocol

from hivemind_core_client.kernel.tracer import SILENT, Tracer
from hivemind_core_client.transports import failures
from hivemind_core_client.transports.addresses import begun, connect_tcp
from hivemind_core_client.wire.errors import HubConnectionError, HubTimeout, SecureConnectionFailed

if TYPE_CHECKING:
    from hivemind_core_client.config.settings import Address
    from hivemind_core_client.config.tls import Tls
    from hivemind_core_client.kernel.policy import Deadlines

log = logging.getLogger(__name__)


class Shuts(Protocol):
    """A socket that can be ended from any thread."""

    def shutdown(self, how: int) -> None:
        """End the connection, and wake who waits on it."""


@contextmanager
def deadline(
    address: Address,
    phase: str,
    seconds: float,
    abort: Callable[[], None],
    broken: tuple[type[Exception], ...] = (OSError,),
) -> Iterator[None]:
    """Call `abort` after `seconds`, whatever happens inside, and raise HubTimeout then; `broken` are its results."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        abort()

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    begun(timer)  # without it, the timeouts of the socket are what bounds it
    try:
        yield
    except broken:
        if not expired.is_set():
            raise
    finally:
        timer.cancel()
    if expired.is_set():
        raise HubTimeout(str(address), phase, seconds)


def dial(
    address: Address,
    tls: Tls,
    deadlines: Deadlines,
    keep: Callable[[socket.socket], None],
    tracer: Tracer = SILENT,
) -> socket.socket:
    """A connection, TLS included. `keep` is told each socket at once, so that another thread can `shut` it.

    `tracer` is told of both phases.

    Raises HubUnreachable, HubTimeout, SecureConnectionFailed or HubCertificateChanged, InvalidOption for a CA file that
    cannot be read, and IdentityFileError for such a pin.
    """
    verification = tls.verification() if address.tls else None
    while True:
        context = verification.make_context() if verification is not None else None
        with tracer.phase("tcp", deadlines.tcp):
            connected = _tcp(address, deadlines.tcp)
        keep(connected)
        if verification is None or context is None:
            return connected
        try:
            with tracer.phase("tls", deadlines.tls):
                return _handshake_tls(connected, address, context, deadlines.tls, keep)
        except SecureConnectionFailed as failure:
            connected.close()
            if not verification.fails(failure.__cause__):
                raise


def shut(connected: Optional[Shuts]) -> None:
    """End a connection at once, and wake whoever reads or writes."""
    if connected is None:
        return
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        log.debug("already shut: %s", error)


def _tcp(address: Address, seconds: float) -> socket.socket:
    try:
        connected = quick(connect_tcp(address.host, address.port, seconds))
    except (TimeoutError, socket.timeout) as error:
        raise HubTimeout(str(address), "tcp", seconds) from error
    except socket.gaierror as error:
        raise failures.unresolved(address) from error
    except (OSError, UnicodeError) as error:
        raise failures.unreachable(address, error) from error
    connected.settimeout(None)
    return connected


def quick(connected: socket.socket) -> socket.socket:
    """It sends what it gets at once, and finds out about a peer that is gone. Raises OSError for one that was reset."""
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except BaseException:
        connected.close()
        raise
    return connected


def _shake_hands(wrapped: ssl.SSLSocket) -> None:
    try:
        wrapped.do_handshake()
    except AttributeError as error:  # it was shut before it began, and has no TLS object any more
        raise ConnectionAbortedError("the connection was shut before the TLS handshake") from error


def _handshake_tls(
    connected: socket.socket,
    address: Address,
    context: ssl.SSLContext,
    seconds: float,
    keep: Callable[[socket.socket], None],
) -> ssl.SSLSocket:
    try:
        wrapped = context.wrap_socket(connected, server_hostname=address.host, do_handshake_on_connect=False)
        keep(wrapped)  # before the handshake, so that its deadline can shut it
        wrapped.settimeout(2 * seconds)  # the deadline is sooner, if there can be one
        with deadline(address, "tls", seconds, lambda: shut(wrapped)):
            _shake_hands(wrapped)
        wrapped.settimeout(None)
        return wrapped
    except HubConnectionError:
        raise
    except (OSError, ValueError) as error:
        raise failures.insecure(address, error) from error
