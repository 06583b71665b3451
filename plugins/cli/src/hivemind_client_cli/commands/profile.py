"""`hivemind-client profile`: what a connection needs, kept under a name."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from hivemind_client_cli.addresses import read, shown_address
from hivemind_client_cli.help_sections import group
from hivemind_client_cli.options import ask_secret, connection_options_without_profile
from hivemind_client_cli.output import MASK, Output, aligned
from hivemind_client_cli.output_options import output_options, reporting
from hivemind_client_cli.pins import counted, pinned_hubs
from hivemind_client_cli.profile_names import complete_profile
from hivemind_core_client.errors import Command, InvalidOption, Mend
from hivemind_core_client.wire.json_text import Json

if TYPE_CHECKING:
    from hivemind_client_cli.connection import Connection
    from hivemind_core_client.config.kept_options import Profile
    from hivemind_core_client.config.profiles import Profiles

#: What `Connection` calls otherwise than the constructor of a client.
_OTHERWISE = {"max_protocol": "max_protocol_version"}
_PATHS = ("ca_file", "identity_file")
#: What goes before a profile, by the option that it is for.
_BEFORE = {
    "host": "HIVEMIND_HOST",
    "port": "HIVEMIND_PORT",
    "key": "HIVEMIND_KEY",
    "password": "HIVEMIND_PASSWORD",
    "site_id": "HIVEMIND_SITE_ID",
}


@group("profile", no_args_is_help=False, epilog="Example: hivemind-client profile list")
@output_options
def profile() -> None:
    """Save all settings of a connection under a name.

    A profile has the hub, the credentials, TLS, the protocol and plugins. Choose it with --profile NAME or
    HIVEMIND_PROFILE, or for all commands and programs with 'profile use NAME'.

    Each setting comes from the first of these that has it: options, environment, profile, identity file.
    """


def _setting(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """The callback of `--set`. Raises click.BadParameter for what is no NAME=VALUE."""
    found = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals:
            raise click.BadParameter(f"{value} is no OPTION=VALUE", ctx, param)
        try:
            found[name.strip()] = json.loads(text)
        except (ValueError, RecursionError):
            found[name.strip()] = text
    return found


@profile.command(
    "add", epilog="Example: hivemind-client profile add kitchen --host wss://hub.local --ask-password"
)
@click.argument("name")
@click.option("--change", is_flag=True, help="Change the profile. What you do not give stays as it is.")
@click.option("--use", "use_it", is_flag=True, help="Also use it from now on where no profile is named.")
@click.option(
    "--set",
    "more",
    multiple=True,
    callback=_setting,
    metavar="OPTION=VALUE",
    help="Any other option of a client, by its name in Python. The value is JSON: compress=false, "
    'blocked_plugins=["x"], query_timeout=10. One value of a table: transport_options.broker_username=me. You can '
    "repeat it.",
)
@click.option(
    "--ask",
    "asked",
    multiple=True,
    metavar="OPTION",
    help="Ask for the value of OPTION at the terminal, unseen: --ask transport_options.broker_password. You can repeat "
    "it.",
)
@connection_options_without_profile
@reporting
def add(
    output: Output,
    name: str,
    change: bool,
    use_it: bool,
    more: dict[str, Any],
    asked: tuple[str, ...],
    connection: Connection,
) -> None:
    """Save the options of a connection as the profile NAME.

    The profile uses the RSA key, the Noise key and the pins of your identity file, or of --identity-file. If a value
    cannot be used by any connection, nothing is saved.
    """
    output.hide(connection.key, connection.password, connection.crypto_key)
    profiles = _profiles()
    before = profiles.get(name).options if change else {}
    told = {option: ask_secret(option) for option in asked}
    output.hide(*told.values())
    options = {**_given(connection), **_tables({**more, **told}, before)}
    output.hide(
        *(value for value in options.values() if isinstance(value, str) and value in _secrets(options))
    )
    if name in profiles.names and not change:
        change_it = Command(("profile", "add", name, "--change"), takes_identity=False)
        raise InvalidOption(f"there is a profile {name!r} already", Mend("to change it: ", change_it))
    kept = {**before, **options}
    if not options and not use_it:
        raise click.UsageError("nothing to keep: give what shall be, such as --host HOST")
    _check(kept)
    profiles.put(name, kept)
    if use_it:
        profiles.use(name)
    output.result({"file": profiles.path, "name": name, "set": sorted(options), "in_use": profiles.in_use})
    output.note(f"saved {name} in {profiles.path}" + (", and it is in use" if use_it else ""))
    if profiles.in_use != name:
        output.note(f"take it with --profile {name}, or 'hivemind-client profile use {name}'")


@profile.command("use", epilog="Example: hivemind-client profile use kitchen")
@click.argument("name", required=False, shell_complete=complete_profile)
@click.option("--none", "no_profile", is_flag=True, help="Use no profile from now on.")
@reporting
def use(output: Output, name: str | None, no_profile: bool) -> None:
    """Use the profile NAME from now on.

    It is used by commands and programs that name neither a profile nor an identity.
    """
    if (name is None) != no_profile:
        raise click.UsageError("give NAME, or --none")
    profiles = _profiles()
    profiles.use(name)
    output.result({"file": profiles.path, "in_use": name})
    output.note(f"{name} is in use" if name else "no profile is in use")


@profile.command("list", epilog="Example: hivemind-client profile list --json")
@reporting
def list_profiles(output: Output) -> None:
    """List the profiles with their hubs. `*` marks the one in use."""
    profiles = _profiles()
    rows = [
        {"name": name, "host": _host_of(profiles, name), "in_use": name == profiles.in_use}
        for name in profiles.names
    ]
    lines = {f"{'*' if row['in_use'] else ' '} {row['name']}": row["host"] or "-" for row in rows}
    output.result({"file": profiles.path, "profiles": rows}, aligned(lines) if rows else "no profiles")


@profile.command("show", epilog="Example: hivemind-client profile show kitchen")
@click.argument("name", required=False, shell_complete=complete_profile)
@reporting
def show(output: Output, name: str | None) -> None:
    """Show what is in the profile NAME, and which identity it uses.

    Secrets are masked. Without NAME you see the chosen profile.
    """
    from hivemind_core_client.config.profiles import chosen_profile
    from hivemind_core_client.identity import NodeIdentity

    profiles = _profiles()
    found = profiles.get(name) if name else chosen_profile()
    if not found.name:
        raise InvalidOption(
            "no profile is in use",
            Mend("name one, or ", Command(("profile", "list"), takes_identity=False), " shows them"),
        )
    identity = NodeIdentity(found.options.get("identity_file"))
    options = _masked(found)
    before = [variable for option, variable in _BEFORE.items() if os.environ.get(variable)]
    data: Json = {
        "file": profiles.path,
        "name": found.name,
        "in_use": found.name == profiles.in_use,
        "options": options,
        "identity": identity.path,
        "pinned_hubs": pinned_hubs(identity),
        "pinned_certificates": identity.pinned_certificates,
        "environment": before,
    }
    rows = {
        "profile": f"{found.name}{' (in use)' if data['in_use'] else ''}",
        **{
            option: value if isinstance(value, str) else json.dumps(value)
            for option, value in options.items()
        },
        "identity": identity.path,
        "pinned hubs": counted(data["pinned_hubs"]),
        "pinned certificates": str(len(data["pinned_certificates"])),
    }
    output.result(data, aligned(rows))
    if before:
        output.note(f"the environment goes before it: {', '.join(before)}")


@profile.command("remove", epilog="Example: hivemind-client profile remove kitchen")
@click.argument("name", shell_complete=complete_profile)
@reporting
def remove(output: Output, name: str) -> None:
    """Remove the profile NAME. Its identity and pins stay."""
    profiles = _profiles()
    was_in_use = profiles.remove(name)
    output.result({"file": profiles.path, "name": name, "removed": True, "in_use": profiles.in_use})
    output.note(f"there is no profile {name} any more")
    if was_in_use:
        output.note("no profile is in use now: commands and programs take the identity file")


def _profiles() -> Profiles:
    from hivemind_core_client.config.profiles import Profiles

    return Profiles()


def _tables(settings: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Settings in which a table has each value that was given as `TABLE.NAME`, beside those that it has `before`.

    Raises click.UsageError for one in what is no table.
    """
    found = {option: value for option, value in settings.items() if "." not in option}
    for option, value in settings.items():
        table, dot, name = option.partition(".")
        if not dot:
            continue
        values = found.get(table, before.get(table, {}))
        if not isinstance(values, dict):
            raise click.UsageError(f"{option}: {table} is no table")
        found[table] = {**values, name: value}
    return found


def _given(connection: Connection) -> dict[str, Any]:
    """What was given, by the names that a client has; paths whole."""
    from attrs import asdict

    given = {
        _OTHERWISE.get(name, name): value
        for name, value in asdict(connection).items()
        if value not in (None, ())
    }
    given.update({name: os.path.abspath(given[name]) for name in _PATHS if name in given})
    return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}


def _check(kept: Mapping[str, Any]) -> None:
    """Raises InvalidCredential or InvalidOption for what `connect` would refuse."""
    from hivemind_core_client.config.given_texts import checked_text
    from hivemind_core_client.config.profiles import checked_options
    from hivemind_core_client.config.settings import read_crypto_key, without_colon

    checked_options(kept)
    for option, what in (("key", "access key"), ("useragent", "user agent")):
        without_colon(what, kept.get(option))
    checked_text("password", kept.get("password"))
    checked_text("site", kept.get("site_id"))
    read_crypto_key(kept.get("crypto_key"))
    if "host" in kept:
        read(kept["host"], kept.get("port"))
    if "ca_file" in kept and not os.path.isfile(kept["ca_file"]):
        raise InvalidOption(f"the CA file {kept['ca_file']!r} does not exist")


def _secrets(options: Mapping[str, Any]) -> list[Any]:
    from hivemind_core_client.config.profiles import SECRETS

    return [options[name] for name in SECRETS if name in options]


def _masked(found: Profile) -> dict[str, Any]:
    """The options, without what nobody else may see: of tables the names, and what transports say is no secret."""
    from hivemind_core_client.config.profiles import SECRETS

    plain = _plain_options() if "transport_options" in found.options else frozenset()
    masked = {
        name: MASK
        if name in SECRETS
        else {
            each: inner if each in plain and name == "transport_options" else MASK
            for each, inner in value.items()
        }
        if isinstance(value, dict)
        else value
        for name, value in found.options.items()
    }
    return {**masked, "host": shown_address(found.options["host"])} if "host" in masked else masked


def _plain_options() -> frozenset[str]:
    """The options of the installed transports that are no secrets."""
    from hivemind_core_client.plugins.manager import load_plugins

    known = [each for found in load_plugins().registry().transports.values() for each in found.options]
    return frozenset(each.name for each in known) - {each.name for each in known if each.secret}


def _host_of(profiles: Profiles, name: str) -> str | None:
    """The hub of a profile, None where it has none or cannot be read."""
    try:
        return shown_address(profiles.get(name).options.get("host"))
    except InvalidOption:
        return "cannot be read"
