"""Speech and files that a hub sends, handed on with names that are safe to show and to keep."""

from hivemind_core_client.labels import safe_label

__all__ = ["safe_label"]
