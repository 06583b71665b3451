"""Message types that the shell completes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivemind_core_client.wire.message import HANDSHAKE_TYPES, HiveMessageType

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

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
#: Hive types that arrive once the handshake is done.
HIVE_TYPES = tuple(each.value for each in HiveMessageType if each not in HANDSHAKE_TYPES)


def complete_message_type(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a hive type or an OVOS type."""
    return _items(HIVE_TYPES + OVOS_TYPES, incomplete)


def complete_ovos_type(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete an OVOS type."""
    return _items(OVOS_TYPES, incomplete)


def _items(names: tuple[str, ...], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
