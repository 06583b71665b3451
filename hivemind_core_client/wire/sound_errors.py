"""The error of a hub that hears nothing in what was said to it."""

from __future__ import annotations

from hivemind_core_client.wire.errors import HiveMindError


class NotUnderstood(HiveMindError):
    """The hub took the audio, and understood nothing in it. The session goes on."""
