"""What a hub says to a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from ovos_bus_client.message import Message


@frozen
class Answer:
    """What the hub said to a question.

    `text` is all of it as one text, and `str(answer)` is the same. `messages` are the OVOS Messages that said it, in
    their order. `lang` is the language that the hub named, such as `en-us`, else the one of the question; it may be
    empty. `complete` is False where time or connection ran out before the hub was done. `expects_response` is True
    where the hub asks something in turn. An answer in which nothing was said is false.
    """

    text: str
    messages: tuple[Message, ...] = field(default=(), repr=False)
    lang: str = ""
    complete: bool = True
    expects_response: bool = False

    def __str__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        """Whether anything was said."""
        return bool(self.messages)
