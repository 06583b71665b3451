"""`hivemind-client trust`: whose signatures this satellite believes, and its own public key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hivemind_client_cli.connection import Connection, connected, read_identity
from hivemind_client_cli.help_sections import group
from hivemind_client_cli.options import connection_options, identity_option
from hivemind_client_cli.output import Output, aligned
from hivemind_client_cli.output_options import output_options, reporting
from hivemind_client_cli.peer_text import fingerprint, who
from hivemind_client_cli.pins import UNREADABLE, pinned_endpoints, pinned_hubs
from hivemind_client_cli.standard_input import stdin_bytes
from hivemind_core_client.errors import Command, InvalidOption, Mend, UsageError
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.keys import public_pems_in
from hivemind_core_client.wire.mends import RESET_PGP, SHOW_KEY_THERE

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from hivemind_core_client.identity import NodeIdentity

#: No public key in PEM form is longer.
_MAX_KEY_FILE_BYTES = 64 * 1024
_MAX_ALIAS_CHARACTERS = 64
#: Shorter keys have been broken.
_MIN_KEY_BITS = 2048
#: How much of a fingerprint is shown to people.
_SHOWN_CHARACTERS = len("sha256:") + 16
_NAMES = Mend(Command(("trust", "list")), " shows the names", joint=": ")
_OTHERS_KEY = (SHOW_KEY_THERE, " prints on the other node")


@group("trust", no_args_is_help=False, epilog="Example: hivemind-client trust add kitchen kitchen.pem")
@output_options
def trust() -> None:
    """Choose whose signatures this satellite trusts.

    Signatures are on INTERCOM messages, and on messages that others pass on. Each satellite and each hub has an RSA
    key pair. You trust the public key of a pair, under an alias that you choose. The key of the hub that this satellite
    is connected to is trusted without being in the list.
    """


def complete_alias(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the alias of a trusted key."""
    from click.shell_completion import CompletionItem

    try:
        keys = read_identity(ctx.params.get("identity_file")).trusted_keys
    except UsageError:  # a file that cannot be read completes to nothing; the command itself says why
        return []
    return [CompletionItem(alias) for alias in keys if alias.startswith(incomplete) and alias.isprintable()]


@trust.command("add", epilog="Example: hivemind-client trust add kitchen kitchen.pem")
@click.argument("alias")
@click.argument("keyfile", required=False)
@click.option(
    "--hub", "from_hub", is_flag=True, help="Connect, and trust the key that the hub shows. Takes no KEYFILE."
)
@connection_options
@reporting
def add(output: Output, connection: Connection, alias: str, keyfile: str | None, from_hub: bool) -> None:
    """Trust the public key in KEYFILE under the name ALIAS.

    KEYFILE holds PEM text; - is stdin. To get the key of a satellite, run `hivemind-client trust show` on it. A private
    key is refused, and nothing of it is kept.
    """
    _check_alias(alias)
    if (keyfile is not None) == from_hub:
        raise click.UsageError("give a KEYFILE (- is stdin), or --hub")
    identity = read_identity(connection.identity_file)
    pem = public_key(_hub_key(output, connection) if from_hub else read_key_file(keyfile or ""))
    _warn_of_same_key(output, identity, alias, pem)
    added = identity.add_trusted_key(alias, pem)
    if not added and fingerprint(identity.trusted_keys[alias]) != fingerprint(pem):
        raise InvalidOption(
            f"{alias!r} is the name of another key",
            Mend(Command(("trust", "remove")), " takes it away", joint=": "),
        )
    if added:
        identity.save()
    data = {
        "file": identity.path,
        "alias": alias,
        "fingerprint": fingerprint(pem),
        "public_key": pem,
        "added": added,
    }
    known = "" if added else ", as before"
    output.result(data)
    output.note(f"trusts {alias}{known}: {short_fingerprint(pem)}")


@trust.command("remove", epilog="Example: hivemind-client trust remove kitchen")
@click.argument("alias", shell_complete=complete_alias)
@identity_option
@reporting
def remove(output: Output, alias: str, identity_file: str | None) -> None:
    """Stop trusting the key named ALIAS."""
    identity = read_identity(identity_file)
    pem = identity.trusted_keys.get(alias)
    if pem is None:
        raise InvalidOption(f"no trusted key is named {alias!r}", _NAMES)
    identity.remove_trusted_key(alias)
    identity.save()
    output.result({"file": identity.path, "alias": alias, "fingerprint": fingerprint(pem), "removed": True})
    output.note(f"trusts {alias} no more")


@trust.command("list", epilog="Example: hivemind-client trust list --json")
@identity_option
@reporting
def list_keys(output: Output, identity_file: str | None) -> None:
    """List the trusted keys, the pinned keys and certificates of hubs, and this satellite's own RSA key.

    Keys are shown by fingerprint: the SHA-256 of the PEM text without white space, or of the 32 bytes of a static key.
    You see the first 16 digits. --json prints all of them.

    A pin that is no key is shown as unreadable; with --json its fingerprint is null. Its hub is refused until you run
    `hivemind-client forget-server`.
    """
    identity = read_identity(identity_file)
    keys = identity.trusted_keys
    data: Json = {
        "file": identity.path,
        "own": {"fingerprint": fingerprint(identity.public_key), "public_key": identity.public_key},
        "trusted": [
            {"alias": alias, "fingerprint": fingerprint(pem), "public_key": pem}
            for alias, pem in keys.items()
        ],
        "pinned_hubs": [{"hub": hub, "fingerprint": pin} for hub, pin in pinned_hubs(identity).items()],
        "pinned_certificates": [
            {"hub": hub, "fingerprint": identity.pinned_certificates.get(hub)}
            for hub in pinned_endpoints(identity)
        ],
    }
    parts = [
        f"own RSA key  {short_fingerprint(identity.public_key)}",
        "trusted" if keys else "no key is trusted",
    ]
    if keys:
        parts.append(aligned({alias: short_fingerprint(pem) for alias, pem in keys.items()}, indent="  "))
    if data["pinned_hubs"]:
        pins = {
            who(pin["hub"]): (pin["fingerprint"] or UNREADABLE)[:_SHOWN_CHARACTERS]
            for pin in data["pinned_hubs"]
        }
        parts += ["pinned hubs", aligned(pins, indent="  ")]
    if data["pinned_certificates"]:
        certificates = {
            who(pin["hub"]): pin["fingerprint"] or UNREADABLE for pin in data["pinned_certificates"]
        }
        parts += ["pinned certificates", aligned(certificates, indent="  ")]
    output.result(data, "\n".join(parts))


@trust.command("show", epilog="Example: hivemind-client trust show > kitchen.pem")
@click.argument("alias", required=False, shell_complete=complete_alias)
@identity_option
@reporting
def show(output: Output, alias: str | None, identity_file: str | None) -> None:
    """Print the public key of this satellite as PEM, so that others can trust it.

    With ALIAS, the trusted key of that name is printed.
    """
    identity = read_identity(identity_file)
    if alias is None:
        pem = identity.public_key
        missing = InvalidOption("this node has no RSA key yet", Mend(RESET_PGP, " makes one", joint=": "))
    else:
        pem = identity.trusted_keys.get(alias)
        missing = InvalidOption(f"no trusted key is named {alias!r}", _NAMES)
    if not pem:
        raise missing
    output.result({"alias": alias, "fingerprint": fingerprint(pem), "public_key": pem}, pem.strip())


def short_fingerprint(pem: str | None) -> str:
    """The beginning of a key's fingerprint, for people; `-` for no key."""
    found = fingerprint(pem)
    return found[:_SHOWN_CHARACTERS] if found else "-"


def public_key(text: str) -> str:
    """The one RSA public key in `text`, as PEM text in the form that peers send (SubjectPublicKeyInfo).

    Raises InvalidOption for anything else, and never quotes it.
    """
    from Crypto.PublicKey import RSA

    if "PRIVATE KEY" in text:
        raise InvalidOption(
            "this is a private key: it belongs to its owner alone, and nothing of it was kept",
            Mend("the public one is what ", *_OTHERS_KEY),
        )
    blocks = public_pems_in(text)
    if len(blocks) != 1 or text.count("-----BEGIN") != 1:
        raise InvalidOption(
            "this is no public key",
            Mend(
                "one RSA key in PEM form is wanted ('-----BEGIN PUBLIC KEY-----'), such as ",
                *_OTHERS_KEY,
                joint=": ",
            ),
        )
    try:
        key = RSA.import_key(blocks[0])
    except (ValueError, IndexError, TypeError) as error:
        raise InvalidOption("this is no RSA public key: it is damaged, or of another kind") from error
    if key.has_private():
        raise InvalidOption(
            "this is a private key: it belongs to its owner alone, and nothing of it was kept"
        )
    if key.size_in_bits() < _MIN_KEY_BITS:
        raise InvalidOption(
            f"this RSA key has {key.size_in_bits()} bits: one below {_MIN_KEY_BITS} proves nothing",
            Mend("make a new one with ", Command(("reset-pgp",), elsewhere=True), " on the other node"),
        )
    return key.export_key().decode("ascii").strip()


def _check_alias(alias: str) -> None:
    if not alias.strip() or not alias.isprintable() or len(alias) > _MAX_ALIAS_CHARACTERS:
        raise InvalidOption(f"an alias is 1 to {_MAX_ALIAS_CHARACTERS} printable characters")


def read_key_file(keyfile: str) -> str:
    """The text of a file with a public key; `-` is stdin. Raises InvalidOption if it is unreadable or too long."""
    try:
        if keyfile == "-":
            data = stdin_bytes().read(_MAX_KEY_FILE_BYTES + 1)
        else:
            with open(keyfile, "rb") as file:
                data = file.read(_MAX_KEY_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no file name"
        raise InvalidOption(f"cannot read {keyfile}: {reason}") from error
    if len(data) > _MAX_KEY_FILE_BYTES:
        raise InvalidOption(f"{keyfile} is too long for a public key")
    from hivemind_core_client.config.given_texts import pem_text

    return pem_text(data)


def _hub_key(output: Output, connection: Connection) -> str:
    with connected(output, connection) as client:
        key = client.hub.public_key if client.hub else ""
    if not key:
        raise InvalidOption(
            "this hub shows no public key: hubs of protocol version 1 and 2 with an RSA key do"
        )
    return key


def _warn_of_same_key(output: Output, identity: NodeIdentity, alias: str, pem: str) -> None:
    if fingerprint(pem) == fingerprint(identity.public_key):
        output.warn("this is the key of this very node")
    other = identity.get_trusted_alias(pem)
    if other is not None and other != alias:
        output.warn(f"this key is trusted as {other!r} already")
