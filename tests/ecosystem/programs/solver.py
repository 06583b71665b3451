"""Ask the solver plugin a question, as ovos-persona does. Its credentials are those of the identity file."""

from __future__ import annotations

import sys

from ovos_hivemind_solver import HiveMindSolver

solver = HiveMindSolver(config={"autoconnect": True, "site_id": "study"})
print("answer:", solver.get_spoken_answer(sys.argv[1]), flush=True)
solver.hm.close()
