"""What a hub says aloud: the names of such messages, and which of them says the same once more."""

from __future__ import annotations

#: The types of messages that say something; newer hubs say it by both.
SPEECH = ("speak", "ovos.utterance.speak")


class OnceSaid:
    """Knows what is said a second time, by the other name of `SPEECH`."""

    def __init__(self) -> None:
        self._last: tuple[str, object] = ("", None)

    def is_new(self, name: str, content: object) -> bool:
        """Whether this is said for the first time. What is said twice by one name is said twice."""
        last_name, last = self._last
        if content == last and name != last_name:
            self._last = ("", None)
            return False
        self._last = (name, content)
        return True
