"""Profiles: all that a connection needs, kept under a name in `profiles.json` beside the identity file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable, Optional

from hivemind_core_client.config.given_texts import variable
from hivemind_core_client.config.kept_options import Profile
from hivemind_core_client.config.key_files import IdentityFile, common_file, json_object
from hivemind_core_client.wire.errors import IdentityFileError, InvalidOption, Mend
from hivemind_core_client.wire.mends import LIST_PROFILES, USE_PROFILE

if TYPE_CHECKING:
    from hivemind_core_client.config.identity import NodeIdentity

FILE_NAME = "profiles.json"
VARIABLE = "HIVEMIND_PROFILE"
_PROFILES, _IN_USE = "profiles", "in_use"
#: A name is a word for people and for shells, and never leads elsewhere.
_NAME = re.compile(r"[A-Za-z\d][\w.-]{,63}", re.ASCII)

_TEXT: tuple[str, Callable[[Any], bool]] = ("text", lambda value: isinstance(value, str) and value != "")
_SWITCH: tuple[str, Callable[[Any], bool]] = ("true or false", lambda value: isinstance(value, bool))
_NAMES: tuple[str, Callable[[Any], bool]] = (
    "a list of names",
    lambda value: isinstance(value, list) and all(isinstance(each, str) and each for each in value),
)
_TABLE: tuple[str, Callable[[Any], bool]] = ("an object", lambda value: isinstance(value, dict))
_SECONDS: tuple[str, Callable[[Any], bool]] = (
    "a number of seconds",
    lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**31,
)
#: What a profile may hold, by the names that the constructor of a client has, and what each must be.
FIELDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "host": _TEXT,
    "port": ("a port from 1 to 65535", lambda value: type(value) is int and 0 < value < 65536),
    "key": _TEXT,
    "password": _TEXT,
    "crypto_key": _TEXT,
    "site_id": _TEXT,
    "useragent": _TEXT,
    "identity_file": _TEXT,
    "self_signed": _SWITCH,
    "ca_file": _TEXT,
    "hub_key": _TEXT,
    "max_protocol_version": ("a number from 0 to 3", lambda value: type(value) is int and 0 <= value <= 3),
    "ciphers": _NAMES,
    "encodings": _NAMES,
    "compress": ("true, false or null", lambda value: value is None or isinstance(value, bool)),
    "binarize": _SWITCH,
    "plugins": _NAMES,
    "blocked_plugins": _NAMES,
    "plugin_settings": _TABLE,
    "transport_options": _TABLE,
    "websocket_ping_interval": _SECONDS,
    "websocket_ping_timeout": _SECONDS,
    "websocket_connect_timeout": _SECONDS,
    "query_timeout": _SECONDS,
}
#: Those that nobody else may see. Tables may hold secrets too.
SECRETS = frozenset({"key", "password", "crypto_key"})


class _File(IdentityFile):
    what = "profiles file"

    def read(self) -> Optional[dict[str, Any]]:
        """The object in the file; None if there is none. Raises IdentityFileError."""
        mend = Mend("correct it, or move it away: then there are no profiles")
        found = json_object(self.path, self.what, mend)
        if found is not None and not isinstance(found.get(_PROFILES, {}), dict):
            raise IdentityFileError(
                f"the profiles file {self.path!r}: {_PROFILES!r} is no object; it was left as it is", mend
            )
        return found


class Profiles:
    """The profiles of this user, in `~/.config/hivemind/profiles.json` (`$XDG_CONFIG_HOME` is heeded).

    The file is read when this object is made, and written at once by what changes it: mode 0600, in one step, and what
    other processes wrote stays. Raises IdentityFileError for a file that cannot be read or understood.
    """

    def __init__(self, path: Optional[str] = None) -> None:
        self._file = _File(path or os.path.join(os.path.dirname(common_file()), FILE_NAME))

    @property
    def path(self) -> str:
        """Absolute path of the file, which need not exist."""
        return self._file.path

    @property
    def names(self) -> list[str]:
        """The names of all profiles, sorted."""
        return sorted(self._file.get(_PROFILES, {}))

    @property
    def in_use(self) -> Optional[str]:
        """The name of the profile that counts where nobody names one, or None."""
        name = self._file.get(_IN_USE)
        return name if isinstance(name, str) and name else None

    def get(self, name: str) -> Profile:
        """The profile of this name. Raises InvalidOption for one that is not there, or holds what makes no sense."""
        checked_name(name)
        kept = self._file.get(_PROFILES, {}).get(name)
        if kept is None:
            there = ", ".join(self.names) or "none"
            mend = Mend(
                f"there are: {there}; ", LIST_PROFILES, " shows them, and ", USE_PROFILE, " takes one"
            )
            raise InvalidOption(f"there is no profile {name!r}", mend)
        if not isinstance(kept, dict):
            raise InvalidOption(f"the profile {name!r} in {self.path} is no object", Mend("correct it there"))
        checked_options(kept, f"the profile {name!r} in {self.path}")
        return Profile(name, kept)

    def put(self, name: str, options: Mapping[str, Any]) -> None:
        """Keep these options under a name, in the place of what was there.

        Raises InvalidOption for a name or a value that makes no sense; nothing is written then.
        """
        checked_name(name)
        checked_options(options, f"the profile {name!r}")
        self._file.set_entry(_PROFILES, name, dict(options))
        self._file.store()

    def use(self, name: Optional[str]) -> None:
        """Let a profile count where nobody names one; None for no profile. Raises InvalidOption for an unknown one."""
        if name is None:
            self._file.pop(_IN_USE, None)
        else:
            self._file[_IN_USE] = self.get(name).name
        self._file.store()

    def remove(self, name: str) -> bool:
        """Forget a profile, whatever it holds. Returns whether it was the one in use: then none is any more."""
        if name not in self.names:
            self.get(name)
        was_in_use = self.in_use == name
        self._file.set_entry(_PROFILES, name, None)
        if was_in_use:
            self._file.pop(_IN_USE, None)
        self._file.store()
        return was_in_use


def chosen_profile(name: Optional[str] = None, identity: Optional[NodeIdentity] = None) -> Profile:
    """The profile of this name, else of `HIVEMIND_PROFILE`, else the one in use; an empty one for no profile.

    The one in use does not count beside an identity that was given. An empty name means no profile at all. Raises
    InvalidOption and IdentityFileError.
    """
    if name is not None and not isinstance(name, str):
        raise InvalidOption(f"profile is a {type(name).__name__}; it must be the name of a profile")
    if name is None:
        name = variable(VARIABLE)
    if name is None and identity is None:
        profiles = Profiles()
        name = profiles.in_use
        return profiles.get(name) if name else Profile()
    return Profiles().get(name) if name else Profile()


def checked_name(name: object) -> str:
    """A name for a profile. Raises InvalidOption for anything else, such as a path."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    rule = "take 64 letters (a to z), digits, '.', '_' and '-' at most, and a letter or a digit first"
    raise InvalidOption(f"{name!r} is no name of a profile", Mend(rule, joint=": "))


def checked_options(options: Mapping[str, Any], where: str = "a profile") -> Mapping[str, Any]:
    """What a profile may hold. Raises InvalidOption for an option that is unknown, or has a value of another kind."""
    for option, value in options.items():
        if option not in FIELDS:
            raise InvalidOption(
                f"{where} cannot hold {option!r}, which this version does not know",
                Mend(f"it may hold {', '.join(FIELDS)}", joint="; "),
            )
        wanted, fits = FIELDS[option]
        if not fits(value):
            raise InvalidOption(f"{where}: {option!r} must be {wanted}")
    return options
