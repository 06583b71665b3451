"""Numbers within bounds, which help and errors tell in words."""

from __future__ import annotations

from typing import Any, Callable

import click

#: The longest wait that most commands take, in seconds: a day.
DAY_S = 86400


class Between:
    """A number from `low` to `high`, None for no end. `above` leaves `low` itself out. NaN is refused.

    `unit` stands behind the number in words, with a space before it.
    """

    def __init__(
        self, kind: type[int] | type[float], low: int, high: int | None, above: bool = False, unit: str = ""
    ) -> None:
        self.kind = kind
        self._low, self._high, self._above, self._unit = low, high, above, unit

    @property
    def words(self) -> str:
        """The bounds, such as `between 1 and 65535`."""
        if self._high is None:
            return f"{self._low} or more{self._unit}"
        low = f"more than {self._low} and at most" if self._above else f"between {self._low} and"
        return f"{low} {self._high}{self._unit}"

    def check(self, ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
        """The callback of an option: its number, None where none is given. Raises click.BadParameter outside."""
        if value is None:
            return None
        above = value > self._low if self._above else value >= self._low
        if not above or (self._high is not None and value > self._high):
            raise click.BadParameter(f"this must be {self.words}, not {value:.15g}", ctx, param)
        return value


def bounded(*names: str, within: Between, text: str, **attributes: Any) -> Callable[[Any], Any]:
    """`click.option` for a number. Its help is `text`, and then its bounds."""
    words = within.words
    shown = f"{text} {words[:1].upper()}{words[1:]}."
    return click.option(*names, type=within.kind, callback=within.check, help=shown, **attributes)


def seconds(text: str, longest: int = DAY_S, **attributes: Any) -> Callable[[Any], Any]:
    """`--timeout SECONDS`, above 0 and at most `longest`."""
    within = Between(float, 0, longest, above=True, unit=" seconds")
    return bounded("--timeout", within=within, text=text, metavar="SECONDS", **attributes)


#: `--port PORT`.
PORT = Between(int, 1, 65535)
#: How many there are to be: at least one.
COUNT = Between(int, 1, None)
