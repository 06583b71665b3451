"""hivemind-twitch-bridge, which knows one address of Twitch: the first argument is the port that it gets here."""

from __future__ import annotations

import sys
from functools import partial

import twitch_bridge
from twitch_bridge.__main__ import main

twitch_bridge.Twitch = partial(twitch_bridge.Twitch, host="127.0.0.1", port=int(sys.argv.pop(1)))
main()
