"""Which plugins somebody chose: names, and what was given as it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import field, frozen

from hivemind_core_client.plugins.names import normalised
from hivemind_core_client.wire.errors import InvalidOption

#: In the place of names: all that are installed.
ALL = "*"
#: What can be no plugin: no attribute of it is a hook.
_NO_PLUGIN = (bytes, bytearray, int, float, list, tuple, dict, set, frozenset, type(None))


def _identities(objects: tuple[Any, ...]) -> tuple[int, ...]:
    """Two plugins are one if they are the same object: they need be neither comparable nor hashable."""
    return tuple(map(id, objects))


@frozen
class Chosen:
    """Names in their normal form, None for all that are installed; and modules and objects, in their order."""

    names: frozenset[str] | None = None
    objects: tuple[Any, ...] = field(default=(), eq=_identities)

    @classmethod
    def of(cls, plugins: Iterable[Any] | None, option: str = "plugins") -> Chosen:
        """What an option says. Raises InvalidOption for what is neither a name nor can be a plugin."""
        if plugins is None:
            return cls()
        if isinstance(plugins, str):
            plugins = (plugins,)
        if not isinstance(plugins, Iterable) or isinstance(plugins, (bytes, bytearray)):
            raise _invalid(option, plugins)
        given = list(plugins)
        names = {normalised(each) for each in given if isinstance(each, str)} - {""}
        objects = [each for each in given if not isinstance(each, str)]
        for each in objects:
            if isinstance(each, _NO_PLUGIN) or option != "plugins":
                raise _invalid(option, each)
        different = {id(each): each for each in objects}.values()
        return cls(None if option == "plugins" and ALL in names else frozenset(names), tuple(different))

    def takes(self, name: str) -> bool:
        """Whether an installed plugin of this name, in its normal form, is to be used."""
        return self.names is None or name in self.names


def _invalid(option: str, value: object) -> InvalidOption:
    kinds = "names, modules or objects" if option == "plugins" else "names"
    return InvalidOption(f"{option} has {value!r}; it must be a list of {kinds} of plugins, or one name")


def listed_names(text: str | None) -> frozenset[str] | None:
    """The names in a comma list, None where there is no list."""
    if text is None:
        return None
    # Quotes are those of a compose file that took them as they stand: no name has any.
    names = (name.strip(" \t\r\n\ufeff\"'") for name in text.split(","))
    return frozenset(name for name in names if name)
