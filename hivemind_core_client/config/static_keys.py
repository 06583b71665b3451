"""The file of a static key for Noise (X25519): 64 hex digits, readable by its owner only."""

from __future__ import annotations

import os

from hivemind_core_client.config.key_files import only_one_writer, read_private, write_private
from hivemind_core_client.wire.errors import IdentityFileError, Mend
from hivemind_core_client.wire.keys import STATIC_KEY_BYTES, static_key
from hivemind_core_client.wire.mends import RESET_NOISE_PIN

_WHAT = "Noise key file"


def existing_static_key(path: str) -> bytes | None:
    """The key in the file `path`, 32 bytes; None where there is no file.

    Raises IdentityFileError for a file that cannot be read or understood.
    """
    data = read_private(path, _WHAT)
    if data is None:
        return None
    key = static_key(data.decode("ascii", "replace").strip())
    if key is None:
        raise IdentityFileError(
            f"the Noise key file {path!r} does not hold 64 hex digits; it was left as it is",
            Mend("put the key back, or remove the file and run ", RESET_NOISE_PIN, " on the hub's machine"),
            about=("noise_key",),
        )
    return key


def static_key_at(path: str) -> bytes:
    """The key in the file `path`; one is made and written where there is no file.

    Raises IdentityFileError like `existing_static_key`, and for a file that cannot be written.
    """
    key = existing_static_key(path)
    if key is not None:
        return key
    with only_one_writer(os.path.dirname(path)):
        made = existing_static_key(path)  # another process may have been first, and the hub knows that one
        if made is None:
            made = os.urandom(STATIC_KEY_BYTES)
            write_private(path, made.hex().encode("ascii"), _WHAT)
        return made
