"""Announces a hub as hivemind-presence does, on loopback alone, until its input ends: `announcer.py PORT NAME`."""

import functools
import sys

import hivemind_presence.zero as mdns
from hivemind_presence import LocalPresence

mdns.Zeroconf = functools.partial(mdns.Zeroconf, interfaces=["127.0.0.1"])
mdns.get_ip = lambda: "127.0.0.1"

presence = LocalPresence(port=int(sys.argv[1]), name=sys.argv[2], upnp=False)
presence.start()
sys.stdout.write("announced\n")
sys.stdout.flush()
sys.stdin.read()
presence.stop()
