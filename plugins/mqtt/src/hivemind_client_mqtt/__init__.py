"""Satellites that reach their hub through an MQTT broker: the transport for `mqtt://` and `mqtts://`."""

from __future__ import annotations

__version__ = "0.2.0"
