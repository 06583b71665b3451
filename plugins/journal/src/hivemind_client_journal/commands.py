"""`hivemind-client journal`: what was recorded, and sending it again."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Optional

import click

from hivemind_client_cli import Connection, Output, connected, connection_options, reporting
from hivemind_client_cli.bounds import COUNT, bounded
from hivemind_client_cli.connection import read_identity
from hivemind_client_cli.help_sections import group
from hivemind_client_cli.options import identity_option
from hivemind_client_cli.output_options import output_options
from hivemind_client_cli.standard_input import stdin_is_terminal
from hivemind_client_journal.entry import RECEIVED, SENT, Entry
from hivemind_client_journal.place import journal_path
from hivemind_client_journal.settings import VARIABLE, Settings
from hivemind_core_client.errors import InvalidOption, Mend, Setting

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessage

#: A line for people is cut here.
_MAX_LINE_CHARACTERS = 160
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_DURATION = re.compile(rf"(\d+)([{''.join(_SECONDS)}])")


def _time(ctx: click.Context, param: click.Parameter, value: Optional[str]) -> Optional[float]:
    """Seconds since the epoch, of an age such as `2h` or a date, which is local unless it says otherwise."""
    if value is None:
        return None
    age = _DURATION.fullmatch(value)
    try:
        if age is not None:
            return time.time() - int(age[1]) * _SECONDS[age[2]]
        # Python 3.9 does not know the Z.
        return datetime.fromisoformat(re.sub("[zZ]$", "+00:00", value)).timestamp()
    except (ValueError, OverflowError, OSError):
        text = f"{value!r} is neither an age such as 30m, 2h or 7d nor a date such as 2030-01-31"
        raise click.BadParameter(text) from None


@group("journal", no_args_is_help=False, epilog="Example: hivemind-client journal list --since 2h")
@output_options
def journal() -> None:
    """Show what was said and heard, and say it again.

    Each identity has its own journal, in a file. HIVEMIND_JOURNAL_PATH names another file. The journal is written only
    if HIVEMIND_JOURNAL is "on".
    """


@journal.command("list", epilog="Example: hivemind-client journal list --type speak --direction received")
@click.option(
    "--since",
    metavar="AGE|DATE",
    callback=_time,
    help="Leave out what is older, such as 30m, 2h, 7d or 2030-01-31.",
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="Only this wire name or OVOS type. You can repeat it.",
)
@click.option(
    "--direction", type=click.Choice([SENT, RECEIVED]), help="Only what was sent, or only what was received."
)
@bounded(
    "--limit", within=COUNT, default=20, show_default=True, text="Show only the newest messages, this many."
)
@identity_option
@reporting
def list_(output: Output, identity_file: Optional[str], **conditions: Any) -> None:
    """List messages, the newest last."""
    from hivemind_client_journal.reading import Query, missing, read  # SQLite, which no other command needs

    path = path_of(identity_file)
    found = read(path, Query(**conditions))
    output.result([as_data(each) for each in found], "\n".join(map(as_line, found)) or None)
    lost = missing(path)
    if lost:
        output.warn(
            f"{lost} messages could not be kept, because the disk or the program was too slow or full"
        )
    if not found:
        output.note(f"nothing fits in {path}{'' if Settings.of().on else f'; {VARIABLE}=on records'}")


@journal.command("show", epilog="Example: hivemind-client journal show 12")
@click.argument("number", metavar="ID", type=int)
@identity_option
@reporting
def show(output: Output, identity_file: Optional[str], number: int) -> None:
    """Show all of one message."""
    entry = _entry(path_of(identity_file), number)
    data = as_data(entry)
    message = data.pop("message")
    lines = [f"{name}: {value}" for name, value in data.items()]
    lines.append(
        json.dumps(message, indent=2, ensure_ascii=False)
        if message
        else "it is not kept: it was too long, or has no JSON form"
    )
    output.result({**data, "message": message}, "\n".join(lines))


@journal.command("replay", epilog="Example: hivemind-client journal replay 12 --yes")
@click.argument("numbers", metavar="ID...", type=int, nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@connection_options
@reporting
def replay(output: Output, connection: Connection, numbers: tuple[int, ...], yes: bool) -> None:
    """Send messages again to the hub of this satellite, in this order.

    You can send only messages that were sent before. They go as new messages: with the session of now, and each
    question with a new id.
    """
    path = path_of(connection.identity_file)
    entries = [_entry(path, number) for number in numbers]
    messages = [_sendable(entry) for entry in entries]
    _ask(f"{len(messages)} messages are sent again", [as_line(entry) for entry in entries], output, yes)
    with connected(output, connection) as client:
        for message in messages:
            client.emit(message)
        client.round_trip()  # hubs read in order: the pong says that all has arrived
    output.result({"sent": list(numbers)}, f"sent again: {', '.join(map(str, numbers))}")


@journal.command("clear", epilog="Example: hivemind-client journal clear --yes")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@identity_option
@reporting
def clear_(output: Output, identity_file: Optional[str], yes: bool) -> None:
    """Delete all messages in the journal."""
    from hivemind_client_journal.reading import clear

    path = path_of(identity_file)
    _ask(f"all messages in {path} are removed", [], output, yes)
    count = clear(path)
    output.result({"file": path, "removed": count}, f"removed {count} messages from {path}")


def path_of(identity_file: Optional[str]) -> str:
    """The journal of this identity. Raises InvalidOption where there can be none."""
    try:
        return journal_path(read_identity(identity_file), Settings.of().path)
    except (OSError, ValueError) as error:
        raise InvalidOption(
            f"there is no journal: {error}", Mend("set ", Setting(f"{VARIABLE}_PATH"))
        ) from error


def as_data(entry: Entry) -> dict[str, Any]:
    """A row for programs."""
    return {
        "id": entry.id,
        "at": datetime.fromtimestamp(entry.at, timezone.utc).isoformat(timespec="milliseconds"),
        "direction": entry.direction,
        "msg_type": entry.msg_type,
        "ovos_type": entry.ovos_type,
        "node": entry.node,
        "hub": entry.hub,
        "size": entry.size,
        "message": _body(entry),
    }


def as_line(entry: Entry) -> str:
    """A row for people."""
    moment = datetime.fromtimestamp(entry.at).isoformat(" ", "seconds")
    kind = " ".join(f"{entry.msg_type} {entry.ovos_type}".split())
    line = f"{entry.id:>5}  {moment}  {entry.direction:<8}  {kind}  {_content(entry)}"
    return line if len(line) <= _MAX_LINE_CHARACTERS else f"{line[:_MAX_LINE_CHARACTERS]} …"


def _body(entry: Entry) -> Any:
    """What was kept of the message; None for nothing, or for what somebody has changed to nonsense."""
    try:
        return json.loads(entry.text or "null")
    except (ValueError, RecursionError):
        return None


def _content(entry: Entry) -> str:
    body = _body(entry)
    if not isinstance(body, dict):
        return f"{entry.size} bytes, not kept"
    while isinstance(body.get("payload"), dict):
        body = body["payload"]
    return json.dumps(body.get("data", body), ensure_ascii=False)


def _entry(path: str, number: int) -> Entry:
    from hivemind_client_journal.reading import read_one

    entry = read_one(path, number)
    if entry is None:
        raise InvalidOption(
            f"there is no message {number} in {path}", Mend("see what there is: journal list")
        )
    return entry


def _sendable(entry: Entry) -> HiveMessage:
    from hivemind_client_journal.replaying import again

    if entry.direction != SENT:
        raise InvalidOption(f"message {entry.id} was received: only what was sent can be sent again")
    message = entry.message()
    if message is None:
        raise InvalidOption(f"message {entry.id} was not kept whole, so it cannot be sent")
    return again(message)


def _ask(what: str, lines: list[str], output: Output, yes: bool) -> None:
    """Go on only if whoever is there says so."""
    if yes:
        return
    if output.json or not stdin_is_terminal():
        raise click.UsageError("there is nobody to ask: give --yes")
    for line in [*lines, what]:
        output.warn(line)
    click.confirm("Go on?", abort=True, err=True)
