"""Options that several commands share."""

from __future__ import annotations

import functools
import inspect
import json
import os
from typing import Any

import click

from hivemind_client_cli.bounds import PORT, Between, bounded, seconds
from hivemind_client_cli.connection import Connection, connected
from hivemind_client_cli.help_sections import CONNECTION, options_of
from hivemind_client_cli.misuse import Misuse
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import (
    Decorator,
    Function,
    app_option,
    reporting,
    stacked,
    trace_option,
)
from hivemind_client_cli.profile_names import complete_profile
from hivemind_client_cli.standard_input import stdin_bytes, stdin_is_terminal
from hivemind_core_client.errors import Mend
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.mends import SET_IDENTITY

#: Objects and lists within each other that a value may hold. Python reads and writes not many more than that, here and
#: on the hub.
_DEEPEST = 500
_TOO_DEEP = f"this is nested more than {_DEEPEST} deep: send it flatter"

_INSTEAD = ": use --password-file - to read it from stdin, or --password-file FILE"

VISIBLE = "Every user of this machine can see it in the process list"


def read_secret(path: str, what: str) -> str:
    """The first line of a file, or of stdin for `-`, as it is meant. Raises click.UsageError when there is none."""
    from hivemind_core_client.config.given_texts import first_line

    try:
        if path == "-":
            secret = first_line(stdin_bytes())
        else:
            with open(path, "rb") as file:
                secret = first_line(file)
    except (OSError, ValueError) as error:
        is_no_text = isinstance(error, UnicodeDecodeError)
        reason = "not UTF-8 text" if is_no_text else getattr(error, "strerror", None) or str(error)
        raise click.UsageError(f"cannot read the {what} from {path}: {reason}") from error
    if not secret:
        raise click.UsageError(f"the first line of {path} is empty: no {what}")
    return secret


def _as_meant(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The callback of an option that is text: as the terminal meant it, in whatever locale this process runs."""
    from hivemind_core_client.config.given_texts import as_meant

    return None if value is None else as_meant(value)


def filled(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The callback of an option that may be left out and not be empty. Raises click.BadParameter."""
    if value is not None and not value.strip():
        raise click.BadParameter("this is empty", ctx, param)
    return _as_meant(ctx, param, value)


def _names(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The callback of an option that may be repeated, and not be empty. Raises click.BadParameter."""
    return tuple(filled(ctx, param, value) or "" for value in values)


def key_option(text: str) -> Decorator:
    """`--key TEXT`, which may be left out but not be empty; `text` is its help."""
    return click.option("--key", metavar="TEXT", callback=filled, help=text)


password_options = stacked(
    click.option(
        "--password",
        metavar="TEXT",
        callback=_as_meant,
        help=f"Password. {VISIBLE}. --password-file and --ask-password are safer.",
    ),
    click.option(
        "--password-file", metavar="FILE", help="Read the password from the first line of FILE. - is stdin."
    ),
    click.option("--ask-password", is_flag=True, help="Ask for the password at the terminal."),
)

address_options = stacked(
    click.option(
        "--host",
        metavar="HOST",
        callback=_as_meant,
        help="Address of the hub: a name, ws://NAME, wss://NAME or http://NAME. Plugins add other forms, such as "
        "mqtt://BROKER.",
    ),
    bounded("--port", within=PORT, metavar="PORT", text="Port of the hub."),
    click.option(
        "--siteid",
        "site_id",
        metavar="SITE",
        callback=_as_meant,
        help="Where this satellite stands, such as kitchen.",
    ),
)


def _existing(ctx: click.Context, value: str | None) -> str | None:
    if value is not None and not os.path.exists(_expanded(value)):
        mend = Mend("make it with ", SET_IDENTITY, joint=": ")
        raise Misuse(f"the identity file {value} does not exist", mend, ctx=ctx)
    return value


def _expanded(path: str) -> str:
    from hivemind_core_client.config.key_files import expanded

    return expanded(path)


def _file_option(may_be_new: bool = False, own: bool = False) -> Decorator:
    """`--app` and `--identity-file`: the command gets a path, or None, as `identity_file`.

    `own` is for what is written for an application: in its own file, even where the shared one stands in for that.
    """

    def chosen(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
        output = ctx.ensure_object(Output)
        if output.app is None:
            return value if may_be_new else _existing(ctx, value)
        if value is not None:
            raise click.UsageError("give one of --app and --identity-file", ctx)
        from hivemind_core_client.identity import NodeIdentity

        output.identity_file = NodeIdentity(app_name=output.app, shared_fallback=not own).path
        return output.identity_file

    text = "Use this identity file, not your own." + (" It may be new." if may_be_new else "")
    return stacked(app_option, click.option("--identity-file", metavar="FILE", callback=chosen, help=text))


identity_option = _file_option()
new_identity_option = _file_option(may_be_new=True, own=True)
own_identity_option = _file_option(own=True)


profile_option = click.option(
    "--profile",
    metavar="NAME",
    callback=filled,
    shell_complete=complete_profile,
    help="Take what you do not give from the profile NAME [default: HIVEMIND_PROFILE, else the one in use].",
)


def choose_password(password: str | None, password_file: str | None, ask_password: bool) -> str | None:
    """The password from whichever option was given, or None.

    Raises click.UsageError for more than one, for an empty one, and where nobody can be asked.
    """
    if sum((password is not None, password_file is not None, ask_password)) > 1:
        raise click.UsageError("give one of --password, --password-file and --ask-password")
    if password == "":
        raise click.UsageError("the password is empty")
    if ask_password:
        return ask_secret("Password", _INSTEAD)
    return read_secret(password_file, "password") if password_file else password


def ask_secret(what: str, instead: str = "") -> str:
    """What is typed at the terminal, unseen and never empty. Raises click.UsageError where nobody can be asked."""
    if not has_terminal():
        raise click.UsageError(f"no terminal to ask for the {what.lower()} on{instead}")
    from getpass import getpass

    secret = ""
    while not secret:
        try:
            # Not click.prompt: some versions show the prompt before the terminal is made silent, and what
            # is typed in between is thrown away.
            secret = getpass(f"{what}: ")
        except (EOFError, KeyboardInterrupt):
            raise click.Abort from None
    return secret


def has_terminal() -> bool:
    """Whether a password can be asked for: at the terminal of this process, wherever stdin comes from."""
    if stdin_is_terminal():
        return True
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | getattr(os, "O_NOCTTY", 0)))
    except OSError:
        return False
    return True


def connection_options(function: Function) -> Function:
    """Give a command the options of a connection, and a `Connection` as the argument `connection`."""
    return options_of(CONNECTION, profile_option)(connection_options_without_profile(function))


def connection_options_without_profile(function: Function) -> Function:
    """The same but `--profile`, for the command that makes profiles."""

    @functools.wraps(function)
    def run(
        *args: Any,
        password: str | None,
        password_file: str | None,
        ask_password: bool,
        crypto_key_file: str | None,
        **kwargs: Any,
    ) -> None:
        names = (
            "key",
            "host",
            "port",
            "site_id",
            "self_signed",
            "ca_file",
            "max_protocol",
            "identity_file",
            "ciphers",
        )
        connection = Connection(
            password=choose_password(password, password_file, ask_password),
            crypto_key=read_secret(crypto_key_file, "pre-shared key") if crypto_key_file else None,
            profile=kwargs.pop("profile", None),
            **{name: kwargs.pop(name) for name in names},
        )
        function(*args, connection=connection, **kwargs)

    return options_of(CONNECTION, _stacked_connection_options)(run)


def connecting(function: Function) -> Function:
    """Make a command of `function(output, client, …)`: give it `--host`, `--key` and the rest, and a client.

    The client is connected when `function` is called and closed when it returns; the identity file and the
    environment fill in what is not given. What `connect()` raises ends the run with its text and exit code.
    Raises TypeError for a function whose first two arguments are the other way round.
    """
    names = list(inspect.signature(function).parameters)
    if names[:1] == ["client"] or names[1:2] == ["output"]:
        name = getattr(function, "__name__", "the command")
        raise TypeError(f"{name} has its arguments the wrong way round: write {name}(output, client, …)")

    @connection_options
    @reporting
    @functools.wraps(function)
    def run(output: Output, *args: Any, connection: Connection, **kwargs: Any) -> None:
        with connected(output, connection) as client:
            function(output, client, *args, **kwargs)

    return run


_stacked_connection_options = stacked(
    key_option(f"Access key. {VISIBLE}. HIVEMIND_KEY is safer."),
    password_options,
    click.option(
        "--crypto-key-file", metavar="FILE", help="Read a pre-shared key from the first line of FILE."
    ),
    address_options,
    click.option(
        "--self-signed/--verify",
        default=None,
        help="With TLS, if the certificate does not verify: pin it, or refuse it.",
    ),
    click.option(
        "--ca-file", metavar="FILE", help="With TLS: check the hub against the certificates in FILE."
    ),
    bounded(
        "--max-protocol",
        within=Between(int, 0, 3),
        metavar="N",
        text="The highest protocol version to use. Without it: 3.",
    ),
    click.option(
        "--cipher",
        "ciphers",
        multiple=True,
        metavar="NAME",
        callback=_names,
        help="Allow this cipher. You can repeat it: put the best first.",
    ),
    identity_option,
    trace_option,
)


def json_object(ctx: click.Context, param: click.Parameter, value: str) -> Json:
    """The callback of an option whose value is a JSON object. Raises click.BadParameter for anything else."""
    try:
        parsed = json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"this is not JSON: {error}", ctx, param) from error
    except RecursionError as error:
        raise click.BadParameter(_TOO_DEEP, ctx, param) from error
    if _is_too_deep(parsed):
        raise click.BadParameter(_TOO_DEEP, ctx, param)
    if not isinstance(parsed, dict):
        raise click.BadParameter('this is no JSON object such as {"utterances": ["hello"]}', ctx, param)
    return parsed


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def timeout_option(default: float | None, text: str) -> Decorator:
    """`--timeout SECONDS`, above 0 and finite; None where it is not given and there is no default."""
    return seconds(text, default=default, show_default=True)
