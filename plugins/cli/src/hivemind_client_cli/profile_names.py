"""Names of profiles, where a shell completes a line."""

from __future__ import annotations

import click


def complete_profile(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The names of profiles that begin so; none where the file cannot be read."""
    from hivemind_core_client.config.profiles import Profiles
    from hivemind_core_client.errors import IdentityFileError

    try:
        return [name for name in Profiles().names if name.startswith(incomplete)]
    except IdentityFileError:  # a shell in the middle of a line has no use for it
        return []
