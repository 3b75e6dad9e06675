"""Set up the peer that needs an old transformers: lsg-converter 0.1.9 and transformers 4.36.2, from PyPI.

They go into `.envs/lsg-converter`, which shares this environment's torch, so that code is compared and not kernels.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ci"))

from matrix import shared_packages  # noqa: E402

ENVIRONMENT = ROOT / ".envs" / "lsg-converter"
PACKAGES = ("transformers==4.36.2", "lsg-converter==0.1.9")


def main() -> None:
    """Make the environment, unless it is there, and see that the peer can be imported."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(ENVIRONMENT, with_pip=True)
        site_packages = next(ENVIRONMENT.glob("lib/python*/site-packages"))
        (site_packages / "shared.pth").write_text(f"{shared_packages()}\n")
    subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    check = "import transformers, lsg_converter.bart.modeling_lsg_bart; print('transformers', transformers.__version__)"
    subprocess.run([python, "-W", "ignore", "-c", check], check=True)


if __name__ == "__main__":
    main()
