"""What a hub says to a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from ovos_bus_client.message import Message


@frozen
class Answer:
    """What the hub said to a question.

    - `text`: all that was said, as one text. `str(answer)` is the same.
    - `messages`: the OVOS Messages that said it, in their order.
    - `lang`: the language that the hub named, such as `en-us`, else that of the question. It may be empty.
    - `complete`: False if the time was over, or the connection ended, before the hub was done.
    - `expects_response`: True if the hub asks you something.

    In a condition, an answer is false if nothing was said.
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
