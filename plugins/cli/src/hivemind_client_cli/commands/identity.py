"""Commands that read and write the identity file and never connect."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from hivemind_client_cli.addresses import read, shown_address
from hivemind_client_cli.connection import read_identity
from hivemind_client_cli.help_sections import command
from hivemind_client_cli.misuse import Misuse
from hivemind_client_cli.options import (
    VISIBLE,
    address_options,
    choose_password,
    identity_option,
    key_option,
    new_identity_option,
    own_identity_option,
    password_options,
)
from hivemind_client_cli.output import MASK, Output, aligned
from hivemind_client_cli.output_options import reporting
from hivemind_client_cli.peer_text import fingerprint
from hivemind_client_cli.pins import counted, pinned_hubs
from hivemind_client_cli.standard_input import stdin_is_terminal
from hivemind_core_client.errors import Mend
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.mends import RESET_PGP

if TYPE_CHECKING:
    from hivemind_core_client.identity import NodeIdentity


@command(
    "set-identity",
    short_help="The same as 'identity set'.",
    epilog="Example: hivemind-client set-identity --key KEY --ask-password --host hub.local --siteid kitchen",
)
@key_option(f"Access key that the hub gave to this satellite. {VISIBLE}.")
@password_options
@address_options
@new_identity_option
@reporting
def set_identity(
    output: Output,
    key: str | None,
    password: str | None,
    password_file: str | None,
    ask_password: bool,
    host: str | None,
    port: int | None,
    site_id: str | None,
    identity_file: str | None,
) -> None:
    """Save the credentials of this satellite and the address of its hub.

    You can give some values now and others later. What you do not give stays as it is. If there is no RSA key pair, one
    is made. If a value cannot be used by any connection, nothing is saved.
    """
    password = choose_password(password, password_file, ask_password)
    output.hide(key, password)
    _check(key, password, host, port, site_id)
    given = {
        "access_key": key,
        "password": password,
        "default_master": host,
        "default_port": port,
        "site_id": site_id,
    }
    changed = {field: value for field, value in given.items() if value is not None}
    if not changed:
        raise Misuse(
            "nothing to save",
            Mend(
                "give what shall be, such as --key KEY or --host HOST (",
                RESET_PGP,
                " makes a new RSA key pair)",
                joint=": ",
            ),
            ctx=click.get_current_context(),
        )
    identity = read_identity(identity_file)
    for field, value in changed.items():
        setattr(identity, field, value)
    new_keys = identity.public_key is None or identity.private_key_pem() is None
    if new_keys:
        identity.create_keys()
    identity.save()
    output.result({"file": identity.path, "set": sorted(changed), "new_rsa_keys": new_keys})
    output.note(f"saved {identity.path}" + (" with a new RSA key pair" if new_keys else ""))


def _check(
    key: str | None, password: str | None, host: str | None, port: int | None, site_id: str | None
) -> None:
    """Raises InvalidCredential, InvalidOption or click.UsageError for what `connect` would refuse."""
    from hivemind_core_client.config.given_texts import checked_text
    from hivemind_core_client.config.settings import without_colon

    if key is not None:
        without_colon("access key", key)
    checked_text("password", password)
    checked_text("site", site_id)
    if host is not None:
        read(host, port)


@command(
    "show-identity",
    short_help="The same as 'identity show'.",
    epilog="Example: hivemind-client show-identity --json",
)
@identity_option
@reporting
def show_identity(output: Output, identity_file: str | None) -> None:
    """Show what is in the identity file. Secrets are masked."""
    identity = read_identity(identity_file)
    output.hide(identity.access_key, identity.password)
    data = _facts(identity)
    rows = {
        "file": data["file"],
        "name": data["name"],
        "access key": data["access_key"],
        "password": data["password"],
        "hub": data["default_master"],
        "port": data["default_port"],
        "site": data["site_id"],
        "public key": data["fingerprint"],
        "private key": data["secret_key"] or "not made yet",
        "Noise key": data["noise_key"] or "not made yet",
        "trusted keys": ", ".join(data["trusted_keys"]),
        "pinned hubs": counted(data["pinned_hubs"]),
    }
    output.result(
        data, aligned({name: value if value not in (None, "") else "-" for name, value in rows.items()})
    )


@command(
    "reset-pgp",
    short_help="The same as 'identity reset-keys'.",
    epilog="Example: hivemind-client reset-pgp --yes",
)
@click.option(
    "-y", "--yes", is_flag=True, help="Do not ask. Where stdin is no terminal, you are never asked."
)
@own_identity_option
@reporting
def reset_pgp(output: Output, yes: bool, identity_file: str | None) -> None:
    """Replace the RSA key pair of this satellite.

    Satellites and hubs that trust the old key do not trust the new one.
    """
    identity = read_identity(identity_file)
    if not yes and can_ask():
        _ask(identity)
    identity.create_keys()
    identity.save()
    data = {"file": identity.path, "fingerprint": fingerprint(identity.public_key)}
    output.result(data, f"new public key {data['fingerprint']}")


def _ask(identity: NodeIdentity) -> None:
    """Return if the user agrees. Raises click.ClickException."""
    if not click.confirm(f"Replace the RSA key pair of {identity.path}?", err=True):
        raise click.ClickException("nothing was changed")


def can_ask() -> bool:
    """Whether stdin is a terminal."""
    return stdin_is_terminal()


def _facts(identity: NodeIdentity) -> Json:
    return {
        "file": identity.path,
        "name": identity.name,
        "access_key": MASK if identity.access_key else None,
        "password": MASK if identity.password else None,
        "default_master": shown_address(identity.default_master),
        "default_port": identity.default_port,
        "site_id": identity.site_id,
        "public_key": identity.public_key,
        "fingerprint": fingerprint(identity.public_key),
        "secret_key": _existing_file(identity.secret_key),
        "noise_key": _existing_file(identity.noise_key),
        "trusted_keys": {alias: fingerprint(key) for alias, key in identity.trusted_keys.items()},
        "pinned_hubs": pinned_hubs(identity),
    }


def _existing_file(path: str | None) -> str | None:
    return path if path and os.path.isfile(path) else None
