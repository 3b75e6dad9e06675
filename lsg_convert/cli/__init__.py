"""The command line: one file a command, `console.py` the only place that prints.

Nothing heavy is imported at module level here: `lsg-convert --help` must not wait for torch.
"""
