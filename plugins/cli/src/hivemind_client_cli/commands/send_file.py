"""`hivemind-client send-file`: a file to the hub, with progress."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator

import click

from hivemind_client_cli.answers import Inbox, confirm_receipt
from hivemind_client_cli.colours import columns_of, fitted, is_dumb
from hivemind_client_cli.connection import Connection, connected
from hivemind_client_cli.help_sections import command
from hivemind_client_cli.options import connection_options, filled, timeout_option
from hivemind_client_cli.output import Output, shown
from hivemind_client_cli.output_options import reporting
from hivemind_core_client.errors import Mend, PluginError
from hivemind_core_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.wire.mends import INSTALL_TTS

Progress = Callable[[int, int], object]

#: Time between two drawings of the bar.
_BAR_PAUSE_S = 0.1
_BAR_CHARACTERS = 30
_MAX_NAME_CHARACTERS = 30


@command("send-file", epilog="Example: hivemind-client send-file notes.txt --name shopping.txt")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, readable=True))
@click.option(
    "--name",
    metavar="NAME",
    callback=filled,
    help="Name of the file at the hub [default: the name it has here].",
)
@click.option(
    "--large",
    is_flag=True,
    help="Allow more than 10 MiB. A hub ends the connection on that, unless it is set up to take it.",
)
@timeout_option(30.0, "How long to wait until the hub confirms that it has read the file.")
@connection_options
@reporting
def send_file(
    output: Output, connection: Connection, path: str, name: str | None, large: bool, timeout: float
) -> None:
    """Send the file at PATH to the hub.

    The hub gets the name and the data, and decides what to do with the file. You see a progress bar on stderr if that
    is a terminal.

    Exit codes: 1 the hub ended the connection because of the file, 3 it does not allow binary data from this satellite.
    """
    try:
        from hivemind_client_binary_tts import check_size, sent_name
        from hivemind_client_binary_tts import send_file as send
    except ImportError as error:
        mend = Mend(INSTALL_TTS, joint=": ")
        raise PluginError("nothing here can send files", mend) from error
    if not large:
        check_size(path, os.path.getsize(path))
    label = sent_name(path, name)
    packet = HiveMessage(HiveMessageType.BINARY, b"", bin_type=HiveMindBinaryPayloadType.FILE)
    with connected(output, connection) as client:
        inbox = Inbox(client)
        more = {"max_bytes": None} if large else {}
        began = time.perf_counter()
        with _bar(output, label) as progress:
            send(client, path, progress=progress, file_name=name, **more)
        confirmed = confirm_receipt(client, inbox, packet, label, timeout)
        seconds = time.perf_counter() - began
    size = os.path.getsize(path)
    rate = size / seconds if seconds > 0 else 0.0
    if not confirmed:
        output.warn(f"the hub did not confirm within {timeout:g} s that it has read the file")
    output.result(
        {
            "path": os.path.abspath(path),
            "name": label,
            "bytes": size,
            "seconds": round(seconds, 6),
            "bytes_per_second": round(rate),
            "confirmed": confirmed,
        }
    )
    output.note(f"sent {label}, {amount(size)} in {seconds:.2f} s, {amount(rate)}/s")
    output.note(
        "not known: whether the hub keeps it. A hub without a plugin for binary data drops files, and says nothing"
    )


@contextlib.contextmanager
def _bar(output: Output, label: str) -> Iterator[Progress | None]:
    """Within the block: a function that draws the bar on stderr, or None if stderr is no terminal."""
    stream = sys.stderr
    if output.json or output.quiet or stream is None or not stream.isatty() or is_dumb():
        yield None
        return
    drawn = 0.0

    def draw(sent: int, total: int) -> None:
        nonlocal drawn
        now = time.monotonic()
        if now - drawn < _BAR_PAUSE_S and sent < total:
            return
        drawn = now
        with contextlib.suppress(OSError, ValueError):
            columns = columns_of(stream) or 80
            # A row that is full would wrap, and the next drawing would not stand in its place.
            stream.write(f"\r{fitted(bar(label, sent, total), columns - 1)}\x1b[K")
            stream.flush()

    try:
        yield draw
    finally:
        with contextlib.suppress(OSError, ValueError):
            stream.write("\r\x1b[K")
            stream.flush()


def bar(label: str, sent: int, total: int) -> str:
    """The bar as text: name, bar, per cent, amounts."""
    share = min(1.0, sent / total) if total > 0 else 1.0
    filled = int(share * _BAR_CHARACTERS)
    drawing = "#" * filled + "." * (_BAR_CHARACTERS - filled)
    name = shown(label.replace("\n", " "))[:_MAX_NAME_CHARACTERS]
    return f"{name} [{drawing}] {share:4.0%} {amount(sent)} of {amount(total)}"


def amount(size: float) -> str:
    """A number of bytes for people, such as `3.4 MiB`."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
