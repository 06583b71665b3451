"""How old a message in a file is, when clocks are set and machines start anew."""

from __future__ import annotations

import contextlib
import time
import uuid

#: Where Linux says which start of the machine this is.
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
#: 2026-01-01 as a Unix time. A clock that shows less was never set: it is that of a machine without a battery.
_NEVER_SET = 1_767_225_600.0


class Clock:
    """Two clocks: one that nobody sets and that begins with the machine, and that of the date.

    `boot` names this start of the machine. Where the system does not tell, it names this process.
    """

    def __init__(self) -> None:
        self.boot = ""
        with contextlib.suppress(OSError), open(_BOOT_ID, encoding="ascii") as file:
            self.boot = file.read().strip()
        self._id = getattr(time, "CLOCK_BOOTTIME", None) if self.boot else None
        self.boot = self.boot or uuid.uuid4().hex
        self._began = self.shift()

    def running(self) -> float:
        """Seconds that the machine has run; those in which it slept count where the system counts them."""
        return time.monotonic() if self._id is None else time.clock_gettime(self._id)

    def date(self) -> float:
        """The Unix time, in seconds."""
        return time.time()

    def shift(self) -> float:
        """The Unix time at which the machine started, by what its clock of the date shows now."""
        return self.date() - self.running()

    def steady(self) -> float:
        """The Unix time by what the clock showed when this object was made: setting it since then does not count."""
        return self._began + self.running()


def since(clock: Clock, boot: str, running: float, shift: float) -> float:
    """When a message was kept, on the steady clock, and not later than now.

    It was kept when the start `boot` of the machine had run for `running` seconds; `shift` is what was last known of
    that start. Within one start the clock of the date does not count, so that setting it makes nothing old. After
    another start it is all there is: one that was never set, or that went back, makes a message young.
    """
    if boot == clock.boot:
        age = clock.running() - running
    else:
        kept_at = shift + running
        age = clock.date() - kept_at if kept_at >= _NEVER_SET else 0.0
    return clock.steady() - max(0.0, age)
