"""What a profile keeps for a client, and how it goes behind what the client is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, cast

from attrs import field, frozen


class Default:
    """The default of an option, where what the caller gives has to be told from it. It reads as its value."""

    plain: Any


class _DefaultSwitch(int, Default):
    """True, for a switch that nobody has set."""

    plain = True

    def __repr__(self) -> str:
        return "True"


class _DefaultSeconds(float, Default):
    """Seconds that nobody has set."""

    @property
    def plain(self) -> float:
        return float(self)


DEFAULT_ON = cast(bool, _DefaultSwitch(1))
DEFAULT_QUERY_SECONDS = cast(float, _DefaultSeconds(30.0))


@frozen
class Profile:
    """What is kept under a name: values for the constructor of a client, which go behind what it is given."""

    name: str = ""
    options: Mapping[str, Any] = field(factory=dict, repr=False)

    def over(self, name: str, argument: Any) -> Any:
        """The argument, else what is kept. None and empty text count as not given."""
        return self.options.get(name, argument) if argument is None or argument == "" else argument

    def over_default(self, name: str, argument: Any) -> Any:
        """The argument, else what is kept, else the default; for an option of which None means something."""
        if not isinstance(argument, Default):
            return argument
        return self.options.get(name, argument.plain)

    def merged(self, name: str, argument: Optional[Mapping[str, Any]]) -> Any:
        """Both tables; what is given goes first."""
        kept = self.options.get(name)
        if kept is None or not isinstance(argument, (Mapping, type(None))):
            return argument
        return {**kept, **(argument or {})}
