"""What errors say, parted for whoever reads them in a table."""

from __future__ import annotations


def parted(text: str) -> tuple[str, str]:
    """What happened, and what mends it: the first sentence of an error and the rest, or what follows its last colon.

    The second is empty where the text has neither.
    """
    happened, _, mend = text.partition(". ")
    if not mend:
        happened, _, mend = text.rpartition(": ")
    return (happened, mend[0].lower() + mend[1:]) if happened and mend else (text, "")
