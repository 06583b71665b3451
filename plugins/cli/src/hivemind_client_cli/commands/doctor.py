"""`hivemind-client doctor`: how far the way to the hub is open, and what mends the rest."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import click

from hivemind_client_cli.connection import Connection, prepared
from hivemind_client_cli.doctor_checks import FAILED, SKIPPED, Checked, run_checks
from hivemind_client_cli.examination import CHECKS, OK, Examination
from hivemind_client_cli.group import group_of
from hivemind_client_cli.help_sections import command
from hivemind_client_cli.message_types import complete_ovos_type
from hivemind_client_cli.options import connection_options, json_object, timeout_option
from hivemind_client_cli.other_addresses import elsewhere, takes_pinned
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import reporting
from hivemind_client_cli.peer_text import handshake_of
from hivemind_client_cli.permission import Trial, examine_permission
from hivemind_core_client.config.addresses import PluginAddress
from hivemind_core_client.errors import (
    BrokerRefused,
    HiveMindError,
    HubCertificateChanged,
    HubKeyChanged,
    HubOffline,
    HubTimeout,
    HubUnreachable,
    IdentityFileError,
    InvalidOption,
    KeyRefused,
    NegotiationRefused,
    NotAHub,
    PasswordRefused,
    SecureConnectionFailed,
    VersionRefused,
)
from hivemind_core_client.transports.addresses import resolve
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.keys import BY_AUTHORITY, fingerprint

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient
    from hivemind_core_client.config.hub_search import HubSearch
    from hivemind_core_client.plugins.contract import Negotiated

#: Where a phase of connecting that took too long belongs.
_PHASES = {"open": "tcp", "tcp": "tcp", "tls": "tls", "upgrade": "websocket", "first frame": "key"}
_KINDS: tuple[tuple[type[HiveMindError], str], ...] = (
    (HubOffline, "websocket"),
    (BrokerRefused, "websocket"),
    (HubUnreachable, "tcp"),
    (SecureConnectionFailed, "tls"),
    (HubCertificateChanged, "tls"),
    (InvalidOption, "tls"),  # a CA file that cannot be read; every other option was looked at before
    (NotAHub, "websocket"),
    (KeyRefused, "key"),
    (VersionRefused, "version"),
    (PasswordRefused, "password"),
    (HubKeyChanged, "hub key"),
    (NegotiationRefused, "cipher"),
)
_WIDTH = 10


@command("doctor", epilog="Example: hivemind-client doctor --say 'what time is it'")
@click.option("--say", metavar="TEXT", help="Check the permission: say TEXT to the assistant.")
@click.option(
    "--msg",
    "msg_type",
    metavar="TYPE",
    shell_complete=complete_ovos_type,
    help="Check the permission: send a message of this type.",
)
@click.option(
    "--payload", callback=json_object, default="{}", metavar="JSON", help="Data of the message of --msg."
)
@timeout_option(10.0, "How long to wait for the answer to --say.")
@connection_options
@reporting
@click.pass_context
def doctor(
    ctx: click.Context,
    output: Output,
    connection: Connection,
    say: str | None,
    msg_type: str | None,
    payload: Json,
    timeout: float,
) -> None:
    """Check the connection to the hub step by step, and say how to mend the first step that fails.

    The steps: name, TCP, TLS, WebSocket, key, version, password, cipher, permission. Protocol version 3 adds two: 'hub
    key' and 'own Noise key', the static keys by which hub and satellite know each other. After these come the checks of
    plugins. If a plugin moves the messages, as over MQTT, the step 'transport' stands in the place of WebSocket.

    The step 'permission' shows what the hub allows this key, if the hub tells. To find out, a message is sent that
    nobody handles. --say and --msg send a real message.

    If no hub answers, the doctor looks elsewhere: with the other scheme, at the usual other port, and at each address,
    IPv4 and IPv6. If it finds the hub, it prints the command that sets this for you. If your key was to go over TLS, it
    is never sent without TLS.

    Exit codes: 0 nothing failed, 1 a plugin's check failed, 2 nothing is configured or a file cannot be used, 3 the hub
    refused, 4 the hub cannot be reached or does not answer in time.
    """
    if say is not None and msg_type is not None:
        raise click.UsageError("give one of --say and --msg")
    with prepared(output, connection) as client:
        hub = client.profile.settings.address
        address = str(hub)
        found = Examination(connection, hub.pin_name, isinstance(hub, PluginAddress))
        _examine_name(found, client)
        if found.failed is None and _examine_session(found, client, connection):
            try:
                examine_permission(found, client, Trial(say, msg_type, payload, timeout))
            except HiveMindError as error:
                found.fail("permission", error)
        if found.may_be_elsewhere:
            found.attempts = elsewhere(client, connection)
        stands = client.connected_event.is_set()
        found.of_plugins = run_checks(group_of(ctx).plugins(ctx), client, stands, CHECKS)
    _report(output, found, address)


def _examine_name(found: Examination, client: HiveMessageBusClient) -> None:
    if client.profile.search is not None:
        _find(found, client, client.profile.search)
        return
    if not client.profile.settings.address.port:
        found.note("name", SKIPPED, "the transport of this address knows no names")
        return
    host, seconds = client.host, client.deadlines.tcp
    try:
        found_there = resolve(host, client.port, seconds)
    except socket.timeout:
        _fail_name(found, client, f"nobody told the address of {host!r} within {seconds:g} s")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        _fail_name(found, client, f"the name {host!r} does not resolve: {reason}")
    else:
        shown = ", ".join(dict.fromkeys(str(entry[4][0]) for entry in found_there))
        found.note("name", OK, shown if shown == host else f"{host} is {shown}")


def _find(found: Examination, client: HiveMessageBusClient, search: HubSearch) -> None:
    try:
        place = search.look()
    except HiveMindError as error:
        client.profile.advise(error)
        found.fail("name", error)
    else:
        found.note("name", OK, f"{search.wanted} is {place}: announced in this network, by anybody")


def _fail_name(found: Examination, client: HiveMessageBusClient, text: str) -> None:
    error = HubUnreachable(text)
    client.profile.advise(error)
    found.fail("name", error)


def _examine_session(found: Examination, client: HiveMessageBusClient, connection: Connection) -> bool:
    """Connect, and note how far that came; True if a session stands."""
    address = client.profile.place
    if not address.tls:
        found.note("tls", SKIPPED, f"over {address.scheme}:// messages are encrypted, the access key is not")
    try:
        client.connect(site_id=connection.site_id)
    except HiveMindError as error:
        place = _place(error, client)
        check = found.carrying if place == "websocket" else place
        for step in _before(check, error):
            found.note(step, SKIPPED, "not reached")
        found.fail(check, error)
        return False
    _note_session(found, client, connection)
    return True


def _before(check: str, error: HiveMindError) -> tuple[str, ...]:
    """The checks that come before `check` and were not made, since the way to the hub ended early."""
    if isinstance(error, IdentityFileError):
        return tuple(step for step in ("version", "password", "hub key") if step != check)
    if isinstance(error, InvalidOption):
        return ("tcp",)
    return ("password",) if check == "cipher" else ()


def _place(error: HiveMindError, client: HiveMessageBusClient) -> str:
    """The check that an error of `connect` belongs to."""
    if isinstance(error, HubTimeout):
        return _PHASES.get(error.phase, "password")
    if isinstance(error, IdentityFileError):
        kept = {"pinned_noise_keys": "hub key", "pinned_certificates": "tls"}
        return next((kept[field] for field in error.about if field in kept), "own Noise key")
    if "noise_key" in error.about:
        return "own Noise key"
    if isinstance(error, NegotiationRefused) and not client.password:
        return "password"
    kinds = (check for kind, check in _KINDS if isinstance(error, kind))
    # Anything else: a hub that said hello knows the key.
    return next(kinds, "key" if client.hub is None else "password")


def _note_session(found: Examination, client: HiveMessageBusClient, connection: Connection) -> None:
    hub, agreed, address = client.hub, client.negotiated, client.profile.place
    found.note("tcp", OK, str(address))
    if address.tls:
        pin = client.identity.get_pinned_certificate(client.profile.settings.address.endpoint)
        pinned = pin not in (None, BY_AUTHORITY) and takes_pinned(client, connection)
        found.note(
            "tls",
            OK,
            f"the certificate is the pinned one: {pin}" if pinned else "the certificate is verified",
        )
    found.note(found.carrying, OK)
    name = hub.name if hub else ""
    found.note("key", OK, f"the hub is {name}" if name else "the hub does not say its name")
    if agreed:
        _note_agreement(found, client, agreed)


def _note_agreement(found: Examination, client: HiveMessageBusClient, agreed: Negotiated) -> None:
    handshake = handshake_of(agreed)
    found.note("version", OK, f"{agreed.version}, handshake {handshake}")
    if agreed.kind in ("password", "noise"):
        found.note("password", OK, "both sides know it")
    else:
        found.note("password", SKIPPED, f"this hub's handshake needs none: {handshake}")
    if agreed.pattern:
        pin = client.identity.get_pinned_noise_key(
            found.hub
        )  # as the file has it, not as it was to be written
        shown = f"pinned is {fingerprint(bytes.fromhex(pin))}" if pin else "not pinned: it cannot be stored"
        found.note("hub key", OK, shown)
        found.note("own Noise key", OK, "the hub takes it")
    found.note("cipher", OK, f"{agreed.cipher}, {agreed.encoding}")


def _report(output: Output, found: Examination, address: str) -> None:
    """Print what was found. Raises click's Exit with the code of the error, if there was one."""
    error, mend = found.error, found.mend_for(output.reader)
    mend = None if mend is None else output.masked(mend)
    problem = None if error is None else output.worded(error)
    rows = [
        {"check": check, "state": state, "remark": output.worded(remark)}
        for check, state, remark in found.rows()
    ]
    more = [_row_of_plugin(output, each) for each in found.of_plugins]
    attempts = [
        {"address": str(each.address), "state": each.state, "remark": output.worded(each.remark)}
        for each in found.attempts
    ]
    failed, code = found.failed, 0 if error is None else error.exit_code
    broken = next((row for row in more if row["state"] == FAILED), None)
    if failed is None and broken is not None:
        failed, problem, mend, code = broken["check"], broken["remark"], broken["mend"], 1
    output.result(
        {
            "hub": address,
            "checks": rows + more,
            "attempts": attempts,
            "allowed": None if found.allowed is None else list(found.allowed),
            "failed": failed,
            "error": problem,
            "type": None if error is None else type(error).__name__,
            "mend": mend,
            "exit_code": code,
        },
        _table(rows + more, attempts, mend if mend != problem and error is not None else None),
    )
    if failed is not None:
        output.remark(f"error: {failed} failed")
        raise click.exceptions.Exit(code)


def _row_of_plugin(output: Output, checked: Checked) -> Json:
    return {
        "check": checked.name,
        "state": checked.state,
        "remark": output.worded(checked.remark),
        "mend": output.worded(checked.mend) or None,
        "plugin": checked.plugin,
    }


def _table(rows: list[Json], attempts: list[Json], mend: str | None) -> str:
    width = max(_WIDTH, *(len(row["check"]) for row in rows))
    lines = [f"{row['check']:<{width}}  {row['state']:<7}  {row['remark']}".rstrip() for row in rows]
    if attempts:
        width = max(len(row["address"]) for row in attempts)
        lines.append("looked for the hub in other places:")
        lines += [
            f"  {row['address']:<{width}}  {row['state']:<7}  {row['remark']}".rstrip() for row in attempts
        ]
    lines += [] if mend is None else [f"mend: {mend}"]
    return "\n".join(lines + [f"mend of {row['check']}: {row['mend']}" for row in rows if row.get("mend")])
