"""The broker dies, the hub, and both, under fifty clients that send: nothing is lost that nobody was told of."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest

from .broker import NoBroker
from .hubs import HubOptions, HubPool
from .mqtt_storm import storm
from .specs import OVER_MQTT

log = logging.getLogger(__name__)

#: A hub of its own, since it is killed.
_STORMS = HubOptions(name="storm")


@pytest.mark.timeout(240)
@pytest.mark.skipif(sys.version_info < (3, 10), reason="the asyncio client needs Python 3.10")
def test_what_becomes_of_each_message(hubs: HubPool, tmp_path: Path) -> None:
    try:
        hub = hubs.get(OVER_MQTT, _STORMS)
    except NoBroker as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    log.info("\n".join(storm(hub, tmp_path / "members")))
