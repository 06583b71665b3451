"""Keys that were derived from passwords, kept beside a static key: `NAME_psks.json` beside `NAME.key`.

Our clients keep theirs in the identity file. Nothing here raises: a key that cannot be kept is derived once more.
"""

from __future__ import annotations

import logging
import os
from typing import Callable, Optional, TypeVar

from hivemind_core_client.config.noise_identity import NoiseIdentity
from hivemind_core_client.wire.errors import HiveMindError
from hivemind_core_client.wire.keys import STATIC_KEY_BYTES

log = logging.getLogger(__name__)
T = TypeVar("T")

#: What stands in the name of the cache after that of the static key, without its ending.
NOISE_PSK_CACHE_SUFFIX = "_psks.json"
_LONGEST_NODE_ID = 512


def load_cached_psk(key_path: Optional[str], node_id: str, scope: Optional[str] = None) -> Optional[bytes]:
    """The key that is kept for the hub of this node id, 32 bytes; None where none is.

    `scope` is the access key of the client that it was derived for. A file that others may read counts as empty.
    """
    cache = _cache_of(key_path, node_id)
    if cache is None or _is_open_to_others(cache):
        return None
    return _attempt(lambda: cache.derived_key(scope or "", node_id))


def save_cached_psk(key_path: Optional[str], node_id: str, psk: bytes, scope: Optional[str] = None) -> None:
    """Keep a derived key; of more than 16 the oldest are forgotten."""
    cache = _cache_of(key_path, node_id)
    if cache is None or len(psk) != STATIC_KEY_BYTES:
        return
    if _is_open_to_others(cache):
        clear_cached_psks(key_path)
        cache = _cache_of(key_path, node_id)
    kept = cache
    if kept is not None:
        _attempt(lambda: kept.keep_derived_key(scope or "", node_id, psk))


def forget_cached_psk(key_path: Optional[str], node_id: str, scope: Optional[str] = None) -> None:
    """Forget the key that is kept for this hub, as when the hub did not verify with it."""
    cache = _cache_of(key_path, node_id)
    if cache is not None:
        _attempt(lambda: cache.drop_derived_key(scope or "", node_id))


def clear_cached_psks(key_path: Optional[str]) -> None:
    """Forget all keys that are kept beside this static key, as when the password was changed."""
    path = _path_of(key_path)
    try:
        if path is not None:
            os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("the derived keys in %s could not be removed: %s", path, error.strerror)


def _path_of(key_path: Optional[str]) -> Optional[str]:
    return os.path.splitext(key_path)[0] + NOISE_PSK_CACHE_SUFFIX if key_path else None


def _cache_of(key_path: Optional[str], node_id: str) -> Optional[NoiseIdentity]:
    """The cache beside a static key; None where there is none to be, or no hub to file under."""
    path = _path_of(key_path)
    # The hub says its node id in the clear, before anything of it is proven.
    if path is None or not isinstance(node_id, str) or not 0 < len(node_id) <= _LONGEST_NODE_ID:
        return None
    return _attempt(lambda: NoiseIdentity(path))


def _is_open_to_others(cache: NoiseIdentity) -> bool:
    try:
        return os.name == "posix" and bool(os.stat(cache.path or "").st_mode & 0o077)
    except OSError:
        return False


def _attempt(act: Callable[[], T]) -> Optional[T]:
    try:
        return act()
    except HiveMindError as error:
        log.warning("the cache of derived keys is not used: %s", error)
        return None
