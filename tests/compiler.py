"""Whether the kernel in C++ can be compiled here."""

import shutil

import pytest
import torch

HAS_KERNEL = shutil.which("g++") is not None and torch.backends.cpu.get_cpu_capability() != "DEFAULT"
needs_compiler = pytest.mark.skipif(not HAS_KERNEL, reason="a C++ compiler and vector instructions are needed")
