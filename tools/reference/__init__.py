"""The public names of the reference client beside ours; tools/reference-names runs it."""
