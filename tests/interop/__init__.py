"""Tests against hivemind-core as the package index has it: one table of behaviours, hubs and clients."""
