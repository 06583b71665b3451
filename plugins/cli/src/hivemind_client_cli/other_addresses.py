"""Where else a hub may be that does not answer where it is looked for: another scheme, port or address family.

Each place is first tried without the credentials: whatever answers there gets a key that nobody has. Only what hangs
up on that as a hub does is tried with the credentials, and only where they are as safe as where they were to go.
"""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from hivemind_client_cli.connection import NO_PROFILE, Connection, read_identity
from hivemind_core_client.config.addresses import Address, HttpAddress
from hivemind_core_client.config.certificate_pins import CertificatePins
from hivemind_core_client.config.settings import variable_of
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.errors import (
    Command,
    HiveMindError,
    HubRefused,
    HubTimeout,
    HubUnreachable,
    Mend,
    NotAHub,
    SecureConnectionFailed,
    Setting,
)
from hivemind_core_client.transports.addresses import resolve

if TYPE_CHECKING:
    from ssl import SSLContext

    from hivemind_core_client import HiveMessageBusClient
    from hivemind_core_client.config.kept_options import Profile

WORKS, ANSWERS, FAILED = "works", "answers", "failed"
#: How long each phase of an attempt may take.
_SECONDS = 3.0
#: This machine, in either family of addresses.
_LOOPBACK = {"127.0.0.1": "::1", "::1": "127.0.0.1"}
#: What is said of a place where there is no hub; of others the error says it.
_FAILURES: tuple[tuple[type[HiveMindError], str], ...] = (
    (HubTimeout, f"no hub answers within {_SECONDS:g} s"),
    (HubUnreachable, "nothing listens there"),
    (SecureConnectionFailed, "no TLS is spoken there"),
    (NotAHub, "what listens there is no hub of this kind"),
)
#: Addresses of hubs by what carries the messages.
_KINDS: tuple[type[Address], ...] = (Address, HttpAddress)


@frozen
class Attempt:
    """A place that was tried: `state` is `works`, `answers` (a hub, but not tried with the credentials) or `failed`."""

    address: Address
    state: str
    remark: str | HiveMindError = ""


def elsewhere(client: HiveMessageBusClient, connection: Connection) -> list[Attempt]:
    """Try the other places. None for an address of a plugin's transport, or with a query, which may hold a secret."""
    given = client.profile.settings.address
    if type(given) not in _KINDS or given.query:
        return []
    places = other_places(given, _resolved(given))
    return [_attempt(place, found, client, connection) for place, found in zip(places, _probed(places))]


def other_places(given: Address, resolved: Iterable[str] = ()) -> list[Address]:
    """The places to try instead of one, the likeliest first. `resolved` are the addresses of its name."""
    schemes = [evolve(given, tls=not given.tls)]
    ports = [evolve(each, port=given.default_port) for each in (given, *schemes)]
    others = [kind for kind in _KINDS if kind is not type(given)]
    kinds = [kind(given.host, port, given.tls) for kind in others for port in (given.port, kind.default_port)]
    hosts = [*resolved, *([_LOOPBACK[given.host]] if given.host in _LOOPBACK else [])]
    families = [evolve(given, host=host) for host in hosts]
    return [each for each in dict.fromkeys([*schemes, *ports, *families, *kinds]) if each != given]


def _resolved(address: Address) -> list[str]:
    """One address of each family that the name has; nothing for a name of one family, which was tried already."""
    try:
        found = resolve(address.host, address.port, _SECONDS)
    except (OSError, UnicodeError):
        return []
    families = {family: str(where[0]) for family, _, _, _, where in reversed(found)}
    return list(families.values()) if len(families) > 1 else []


def _probed(places: list[Address]) -> list[HiveMindError | None]:
    """What each place answers to a key that nobody has, all asked at the same time; None for one that takes it."""
    answers: list[HiveMindError | None] = [None] * len(places)

    def ask(number: int, client: HiveMessageBusClient) -> None:
        try:
            client.connect()
        except HiveMindError as error:
            answers[number] = error
        finally:
            client.close()

    asking = [
        threading.Thread(target=ask, args=(number, _stranger(place)), daemon=True)
        for number, place in enumerate(places)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    return answers


def _stranger(place: Address) -> HiveMessageBusClient:
    """A client with credentials that no hub knows."""
    from hivemind_core_client import Deadlines, HiveMessageBusClient, NodeIdentity

    return HiveMessageBusClient(
        key=os.urandom(16).hex(),
        password=os.urandom(16).hex(),
        host=host_of(place),
        port=place.port,
        identity=NodeIdentity({}),
        profile=NO_PROFILE,
        # Whether the certificate verifies is seen when the credentials go there.
        ssl_context=Tls().make_context(),
        deadlines=Deadlines(
            tcp=_SECONDS, tls=_SECONDS, upgrade=_SECONDS, first_frame=_SECONDS, handshake=_SECONDS
        ),
    )


def _attempt(
    place: Address, found: HiveMindError | None, client: HiveMessageBusClient, connection: Connection
) -> Attempt:
    if found is not None and not isinstance(found, HubRefused):
        return Attempt(
            place, FAILED, next((text for kind, text in _FAILURES if isinstance(found, kind)), found.what)
        )
    given = client.profile.settings.address
    if given.tls and not place.tls:
        return Attempt(place, ANSWERS, "not tried with your key, which would go there in the clear")
    at_place = evolve(connection, host=host_of(place), port=place.port)
    try:
        pinned = _pinned_elsewhere(place, client, connection)
        _connect(at_place.client(pinned), connection.site_id)
    except SecureConnectionFailed as error:
        if pinned is None:
            return Attempt(place, ANSWERS, error)
        return Attempt(
            place, ANSWERS, f"not tried with your key: its certificate is not the one of {given.endpoint}"
        )
    except HiveMindError as error:
        return Attempt(place, ANSWERS, error)
    return Attempt(place, WORKS)


def _connect(client: HiveMessageBusClient, site_id: str | None) -> None:
    try:
        client.connect(site_id=site_id)
    finally:
        client.close()


def takes_pinned(client: HiveMessageBusClient, connection: Connection) -> bool:
    """Whether a certificate that does not verify may do, since it is pinned."""
    has_ca_file = connection.ca_file or _profile_of(connection).options.get("ca_file")
    return client.allow_self_signed and not has_ca_file


def _pinned_elsewhere(
    place: Address, client: HiveMessageBusClient, connection: Connection
) -> SSLContext | None:
    """What takes the certificate alone that is pinned for the hub; None where none is, or `place` has a pin of its own.

    A place that nobody has been to pins what it shows: somebody who cuts the way to the hub could stand there.
    """
    given = client.profile.settings.address
    if not given.tls or not takes_pinned(client, connection):
        return None
    pins = CertificatePins(lambda: client.identity)
    if pins.get(place.endpoint) is not None or pins.get(given.endpoint) is None:
        return None
    return Tls(pins=pins, address=given).make_context()


def host_of(place: Address) -> str:
    """What `--host` takes for this address: all but the port."""
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"{place.scheme}://{host}{place.path}"


def mend_of(place: Address, connection: Connection) -> Mend:
    """The exact command that makes this address the one that is used: in the identity, or the profile that has one."""
    chosen = ("--host", shlex.quote(host_of(place)), "--port", str(place.port))
    variables = [
        Setting(f"{name}={shlex.quote(str(value))}")
        for name, value in (
            (variable_of("host", connection.host), host_of(place)),
            (variable_of("port", connection.port), place.port),
        )
        if name is not None
    ]
    if variables:
        parts = [part for each in variables for part in (" ", each)]
        return Mend("the hub answers at ", str(place), ": export", *parts)
    given = connection.host is not None or connection.port is not None
    instead = (f"; or here {' '.join(chosen)}",) if given else ()
    profile = _profile_of(connection)
    command = Command(("set-identity", *chosen), quoted=False)
    if profile.options.get("host") and connection.host is None:
        words = ("profile", "add", profile.name, "--change", *chosen)
        command = Command(words, takes_identity=False, quoted=False)
    return Mend("the hub answers at ", str(place), ": ", command, *instead)


def _profile_of(connection: Connection) -> Profile:
    """What goes behind the options of this connection."""
    from hivemind_core_client.config.profiles import chosen_profile

    file = connection.identity_file
    return chosen_profile(connection.profile, read_identity(file) if file else None)
