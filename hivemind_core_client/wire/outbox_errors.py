"""The errors of an outbox: what it has no room for, and a file that cannot hold it."""

from __future__ import annotations

from hivemind_core_client.wire.errors import UsageError


class OutboxFull(UsageError):
    """The outbox has no room for this message, now or ever. The message was not sent, and is not kept."""


class OutboxFileError(UsageError, OSError):
    """The file of an outbox cannot be read, written or locked, or it belongs to another hub or program."""
