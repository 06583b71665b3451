"""The soak itself: its books, its line, its report, and a few seconds of it against a hub in this process."""

from __future__ import annotations

import socket
import sys
from contextlib import ExitStack

import pytest

from tests.unit.support import PASSWORD

from .books import Figures, Ledger, Sample, Windows, growth
from .proxy import Proxy
from .report import section, soak_of, with_soak
from .running import Outcome, Soak
from .satellites import KINDS, Satellite
from .stand_in import StandIn
from .trouble import Place


def never(moment: float) -> bool:
    return False


def always(moment: float) -> bool:
    return True


def test_a_message_is_delivered_once_whichever_end_is_heard_of_first() -> None:
    ledger = Ledger()
    first, second = ledger.begin(), ledger.begin()
    ledger.succeeded(first)
    ledger.arrived(first)
    ledger.arrived(second)
    ledger.succeeded(second)
    assert ledger.figures == Figures(sent=2, delivered=2)
    assert ledger.figures.balanced
    ledger.arrived(second)
    assert ledger.figures.twice == 1
    assert not ledger.figures.balanced


def test_each_fate_has_its_column() -> None:
    clock = [0.0]
    ledger = Ledger(lambda: clock[0])
    raised, doubted, with_hub, lost = (ledger.begin() for _ in range(4))
    ledger.failed(raised)
    for number in (doubted, with_hub, lost):
        ledger.succeeded(number)
    ledger.doubt([doubted, 99])
    ledger.settle(10.0, always, always)
    assert ledger.figures == Figures(sent=4, raised=1), "nothing is closed before its time"
    clock[0] = 11.0
    ledger.settle(10.0, never, never)
    assert ledger.figures == Figures(sent=4, raised=1, in_doubt=1, lost=2)
    assert not ledger.figures.balanced
    ledger.arrived(raised)
    assert ledger.figures.raised == 1
    late = ledger.begin()
    ledger.succeeded(late)
    clock[0] = 30.0
    ledger.settle(10.0, always, never)
    assert ledger.figures == Figures(sent=5, raised=1, in_doubt=1, lost=2, with_hub=1)
    for number in (doubted, lost, late):
        ledger.arrived(number)
    assert ledger.figures == Figures(sent=5, raised=1, delivered=3, lost=1), "what comes late has come"


def test_a_window_holds_what_lies_in_it_and_a_little_around() -> None:
    clock = [10.0]
    windows = Windows(2.0, 3.0, lambda: clock[0])
    windows.begin()
    clock[0] = 20.0
    windows.end()
    assert [windows.hold(moment) for moment in (7.9, 8.0, 15.0, 23.0, 23.1)] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_growth_is_that_of_a_line_and_spikes_are_none() -> None:
    flat = [Sample(moment, 50.0 + (10 if moment % 7 == 0 else 0), 5, 9) for moment in range(100)]
    rising = [Sample(moment, 50.0 + moment / 10, 5, 9) for moment in range(100)]
    assert abs(growth(flat, lambda sample: sample.memory)) < 2
    assert growth(rising, lambda sample: sample.memory) == pytest.approx(7.9)
    assert growth(rising[:2], lambda sample: sample.memory) == 0.0


def test_the_page_keeps_a_section_and_gets_a_new_one() -> None:
    outcome = Outcome(3600.0, {"hub 1": {"threads": Figures(5, 3, 1, 1)}}, {"hub 1": {"killed": 2}})
    text = section(outcome)
    assert "| hub 1 | threads | 5 | 3 | 1 | 1 | 0 | 0 | 0 |" in text
    assert "hub 1 was killed 2 times." in text
    page = with_soak("# What works\n\nrows\n", text)
    assert soak_of(page) == text
    assert with_soak("# What works\n\nother rows\n", soak_of(page)) == f"# What works\n\nother rows\n\n{text}"
    assert with_soak(page, text) == page
    assert soak_of("# What works\n") == ""
    assert with_soak("# What works\n", "") == "# What works\n"


def test_a_proxy_passes_on_holds_and_cuts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, Proxy(listener.getsockname()[1]) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as near:
            far, _ = listener.accept()
            with far:
                near.sendall(b"there")
                assert far.recv(5) == b"there"
                proxy.hold(True)
                far.sendall(b"back")
                near.settimeout(0.2)
                with pytest.raises(TimeoutError if sys.version_info >= (3, 10) else socket.timeout):
                    near.recv(4)
                proxy.hold(False)
                near.settimeout(20)
                assert near.recv(4) == b"back"
                assert proxy.cut() == 2
                assert near.recv(4) == b""


@pytest.mark.skipif(sys.platform != "linux", reason="memory and descriptors are read from /proc")
def test_the_books_of_a_short_soak_balance() -> None:
    kinds = [kind for kind in KINDS if kind != "asyncio" or sys.version_info >= (3, 10)]
    accounts = {f"key-of-{kind}": PASSWORD for kind in kinds}
    with ExitStack() as stack:
        hub = stack.enter_context(StandIn(accounts))
        sockets = stack.enter_context(Proxy(hub.embedded.port))
        web = stack.enter_context(Proxy(hub.gateway.port))
        satellites = []
        for kind in kinds:
            port = web.port if kind == "http" else sockets.port
            options = {"key": f"key-of-{kind}", "password": PASSWORD, "host": "127.0.0.1", "port": port}
            satellites.append(Satellite(kind, kind, 0.02, **options))
            stack.callback(satellites[-1].close)
        place = Place("a hub", hub, [sockets, web], satellites)
        said: list[str] = []
        outcome = Soak([place], 4.0, lasting=(0.1, 0.5), rest=0.3, patience=5.0).run(said.append)
    assert outcome.faults == []
    figures = outcome.figures["a hub"]
    assert set(figures) == set(kinds)
    assert all(each.delivered for each in figures.values())
    assert len(said) == sum(outcome.troubles["a hub"].values())
