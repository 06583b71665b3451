"""`hivemind-client completion`: the script that teaches a shell to complete this command, and what it completes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from hivemind_client_cli.options import reporting
from hivemind_client_cli.output import Output
from hivemind_core_client.message import HiveMessageType

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PROGRAM = "hivemind-client"
#: The variable with which a shell's script asks this command what completes a line.
VARIABLE = "_HIVEMIND_CLIENT_COMPLETE"
#: OVOS types that people listen to or send; any other may be typed.
OVOS_TYPES = (
    "complete_intent_failure",
    "mycroft.mic.listen",
    "mycroft.stop",
    "mycroft.volume.set",
    "ovos.utterance.handled",
    "recognizer_loop:audio_output_end",
    "recognizer_loop:audio_output_start",
    "recognizer_loop:record_begin",
    "recognizer_loop:record_end",
    "recognizer_loop:utterance",
    "recognizer_loop:wakeword",
    "speak",
)
#: Hive types that arrive once a session stands.
HIVE_TYPES = tuple(
    each.value for each in HiveMessageType if each not in (HiveMessageType.HELLO, HiveMessageType.HANDSHAKE)
)


_HELP = """Print the script that lets SHELL complete hivemind-client with the Tab key.

\b
Put it where the shell finds it, once:
bash   hivemind-client completion bash > ~/.local/share/bash-completion/completions/hivemind-client
zsh    hivemind-client completion zsh > ~/.zfunc/_hivemind-client
       (with 'fpath+=~/.zfunc' before 'compinit' in ~/.zshrc)
fish   hivemind-client completion fish > ~/.config/fish/completions/hivemind-client.fish

Make the folder first if it is not there, and open a new shell afterwards. Commands, options, message types and
the names of trusted keys are completed.
"""


@click.command("completion", help=_HELP, epilog="Example: hivemind-client completion bash")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@reporting
def completion(output: Output, shell: str) -> None:
    """Print the script."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click knows no completion for {shell}")
    asking = kind(click.Command(PROGRAM), {}, PROGRAM, VARIABLE)
    # Not source(), which starts a bash to see its version.
    script = asking.source_template % asking.source_vars()
    output.result({"shell": shell, "script": script}, script.strip())


def is_asked() -> bool:
    """Whether it is a shell that runs this command, to complete a line."""
    return bool(os.environ.get(VARIABLE))


def message_types(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a hive type or an OVOS type."""
    return _items(HIVE_TYPES + OVOS_TYPES, incomplete)


def ovos_types(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete an OVOS type."""
    return _items(OVOS_TYPES, incomplete)


def _items(names: tuple[str, ...], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
