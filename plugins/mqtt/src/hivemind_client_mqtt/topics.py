"""The topics of a satellite and of its hub."""

from __future__ import annotations

import unicodedata

from attrs import field, frozen

from hivemind_core_client.errors import InvalidCredential, InvalidOption
from hivemind_core_client.wire.mends import COMPARE_KEYS

#: How many bytes a topic may have.
_LONGEST = 65535
#: Control characters and surrogates: brokers hang up on who sends them.
_NO_TEXT = frozenset({"Cc", "Cs"})
#: What stands in texts in place of the key.
_KEY_SHOWN = "KEY"


@frozen
class Topics:
    """Where a satellite publishes (`up`), where its hub answers (`down`), and the status of both.

    They hold the access key: keep them out of logs and texts. `shown` says a topic without it.
    """

    up: str = field(repr=False)
    down: str = field(repr=False)
    status: str = field(repr=False)
    hub_status: str
    prefix: str

    @classmethod
    def of(cls, prefix: str, key: str, hub_name: str) -> Topics:
        """The topics of a key. Raises InvalidOption for a wrong prefix or name, InvalidCredential for a wrong key."""
        if prefix.startswith("$") or "" in prefix.split("/") or _breaks_topic(prefix):
            raise InvalidOption(
                f"the path of the address, {prefix!r}, cannot be the beginning of an MQTT topic"
            )
        if "/" in hub_name or _breaks_topic(hub_name):
            raise InvalidOption(
                f"the option hub_name is {hub_name!r}, which cannot be a part of an MQTT topic"
            )
        if not key or "/" in key or _breaks_topic(key) or len(f"{prefix}/{key}/status".encode()) > _LONGEST:
            raise InvalidCredential(
                "this access key cannot be a part of an MQTT topic: it has a / + or #, or a control character, is "
                "empty, or is too long",
                COMPARE_KEYS,
                about=("key",),
            )
        if key == hub_name:
            raise InvalidCredential(
                "the access key is the name of the hub: both would have one topic", about=("key",)
            )
        own = f"{prefix}/{key}"
        return cls(f"{own}/in", f"{own}/out", f"{own}/status", f"{prefix}/{hub_name}/status", prefix)

    def shown(self, topic: str) -> str:
        """One of these topics for a text, without the key."""
        if topic == self.hub_status:
            return topic
        return f"{self.prefix}/{_KEY_SHOWN}/{topic.rpartition('/')[2]}"


def _breaks_topic(text: str) -> bool:
    """Whether a text has what stands for other topics, or what no topic may have."""
    return any(letter in "+#" or unicodedata.category(letter) in _NO_TEXT for letter in text)
