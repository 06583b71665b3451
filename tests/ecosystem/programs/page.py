"""hivemind-remi, which opens a window of its own: here it is a page at the port that the argument names."""

from __future__ import annotations

import sys

from hivemind_remi import HiveMindRemi
from remi import start

start(HiveMindRemi, address="127.0.0.1", port=int(sys.argv[1]), start_browser=False)
