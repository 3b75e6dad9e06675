"""Verification: the proof that a converted folder still computes what its source computes.

`run.py` holds the entry points, `check.py` the interface of a check; every level of checks has a file of its own.
"""

from __future__ import annotations
