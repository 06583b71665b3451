"""What the journal is asked to do, by the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Callable, Optional

from attrs import field, frozen
from attrs.validators import gt, le

from hivemind_core_client.message import HiveMessageType, read_message_type
from hivemind_core_client.wire.message_types import HANDSHAKE_TYPES

#: What all variables begin with. This one alone turns the journal on.
VARIABLE = "HIVEMIND_JOURNAL"
_WORDS = {"": False, "off": False, "0": False, "no": False, "false": False}
_WORDS.update({"on": True, "1": True, "yes": True, "true": True})
#: Handshakes hold keys, and binary data has no text.
_NEVER = HANDSHAKE_TYPES | {HiveMessageType.BINARY}


def read_types(text: str) -> tuple[str, ...]:
    """The wire names in a comma list. Raises ValueError for what there is not, and for what is never recorded."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if read_message_type(name) in _NEVER:
            raise ValueError(f"messages of type {name} are never recorded")
    return names


@frozen
class Settings:
    """How much is kept, and where. The oldest rows go first.

    With `path` None each identity has its own file, in the folder for state. `types` are wire names of message types.
    `rows`, `bytes` (of the messages as JSON text) and `days` limit what is kept.
    """

    on: bool = False
    path: Optional[str] = None
    types: tuple[str, ...] = ("bus",)
    rows: int = field(default=10_000, validator=gt(0))
    bytes: int = field(default=16 * 2**20, validator=gt(0))
    days: float = field(default=30.0, validator=[gt(0), le(36_500)])

    @classmethod
    def of(cls, environment: Optional[Mapping[str, str]] = None) -> Settings:
        """What these variables say, those of the process unless given. Raises ValueError for what makes no sense."""
        given = os.environ if environment is None else environment
        word = given.get(VARIABLE, "").strip().lower()
        if word not in _WORDS:
            raise ValueError(f"{VARIABLE} is {word!r}; it may be on or off")
        texts = {name: given.get(f"{VARIABLE}_{name.upper()}", "").strip() for name in _READERS}
        values = {name: _read(name, text) for name, text in texts.items() if text}
        return cls(on=_WORDS[word], **values)


_READERS: dict[str, Callable[[str], Any]] = {
    "path": str,
    "types": read_types,
    "rows": int,
    "bytes": int,
    "days": float,
}


def _read(name: str, text: str) -> Any:
    try:
        return _READERS[name](text)
    except ValueError as error:
        raise ValueError(f"{VARIABLE}_{name.upper()}: {error}") from error
