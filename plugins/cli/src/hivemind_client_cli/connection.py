"""Where and how a command connects, and the client that it gets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from hivemind_client_cli.output import Output

if TYPE_CHECKING:
    from ssl import SSLContext

    from hivemind_core_client import HiveMessageBusClient, Outbox
    from hivemind_core_client.identity import NodeIdentity

#: What `profile` is where none is to count, not even the one that HIVEMIND_PROFILE names.
NO_PROFILE = ""


@frozen
class Connection:
    """Where and how to connect; None leaves a field to the environment and the identity file."""

    key: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    crypto_key: str | None = field(default=None, repr=False)
    host: str | None = None
    port: int | None = None
    site_id: str | None = None
    self_signed: bool | None = None
    ca_file: str | None = None
    max_protocol: int | None = None
    ciphers: tuple[str, ...] = ()
    identity_file: str | None = None
    profile: str | None = None
    #: Called with each line of the trace; None leaves it to the environment.
    trace: Callable[[str], object] | None = field(default=None, repr=False, eq=False)
    outbox: Outbox | None = None

    def client(self, ssl_context: SSLContext | None = None) -> HiveMessageBusClient:
        """A client that is not connected yet; `ssl_context` goes before what this says of TLS."""
        from hivemind_core_client import HiveMessageBusClient

        more: dict[str, Any] = {}
        if self.identity_file:
            more["identity"] = read_identity(self.identity_file)
        if self.self_signed is not None:
            more["self_signed"] = self.self_signed
        elif self.ca_file:
            more["self_signed"] = False
        return HiveMessageBusClient(
            key=self.key,
            password=self.password,
            crypto_key=self.crypto_key,
            host=self.host,
            port=self.port,
            ca_file=self.ca_file,
            ssl_context=ssl_context,
            max_protocol_version=self.max_protocol,
            ciphers=self.ciphers or None,
            profile=self.profile,
            trace=self.trace,
            outbox=self.outbox,
            **more,
        )


@contextlib.contextmanager
def prepared(output: Output, connection: Connection) -> Iterator[HiveMessageBusClient]:
    """A client that is not connected yet, closed at the end; its secrets are masked in all output.

    Binary data that arrives is dropped without a word, until `bin_callbacks` is assigned.
    """
    from hivemind_client_cli.binary_data import QuietCallbacks
    from hivemind_core_client.config.settings import login_texts
    from hivemind_core_client.config.transport_options import secrets_in

    output.hide(connection.key, connection.password, connection.crypto_key)
    if output.trace:
        connection = evolve(connection, trace=output.traced)
    client = connection.client()
    if connection.identity_file is None:
        output.identity_file = _identity_of(connection.profile)
    output.hide(client.key, client.password, *login_texts(client.useragent, client.key))
    output.hide(*secrets_in(client.profile.transport, client.profile.transport_options()))
    client.bin_callbacks = QuietCallbacks()
    try:
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def connected(
    output: Output, connection: Connection, timeout: float | None = None
) -> Iterator[HiveMessageBusClient]:
    """A connected client, closed at the end; raises what `connect()` raises, and HubTimeout after `timeout` seconds."""
    with prepared(output, connection) as client:
        with _given_up(client, timeout):
            client.connect(site_id=connection.site_id)
        yield client


@contextlib.contextmanager
def _given_up(client: HiveMessageBusClient, timeout: float | None) -> Iterator[None]:
    """Close the client if the block takes longer than `timeout` seconds. Raises HubTimeout then."""
    if timeout is None:
        yield
        return
    import threading

    from hivemind_core_client.errors import ClientClosed, HubTimeout

    timer = threading.Timer(timeout, client.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    except ClientClosed as error:  # nobody else closes it
        raise HubTimeout(f"{client.host}:{client.port}", "connecting", timeout) from error
    finally:
        timer.cancel()


def _identity_of(profile: str | None) -> str | None:
    """The identity file that the chosen profile names, if it does."""
    from hivemind_core_client.config.profiles import chosen_profile

    named: str | None = chosen_profile(profile).options.get("identity_file")
    return named


def read_identity(path: str | None) -> NodeIdentity:
    """The identity in `path`; when None that of the chosen profile, or the user's own. Raises IdentityFileError."""
    from hivemind_core_client.identity import NodeIdentity

    return NodeIdentity(path or _identity_of(None))
