#!/bin/sh
# The environment of the peer that needs an old transformers: lsg-converter 0.1.9, from PyPI, into .envs/lsg-converter.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
environment=.envs/lsg-converter
[ -x "$environment/bin/python" ] || "$python" -m venv "$environment"
# The same torch as ours, so that the comparison is of code and not of kernels.
torch=$(.venv/bin/python -c 'import torch; print(torch.__version__.split("+")[0])')
"$environment/bin/python" -m pip install -q "torch==$torch" "transformers==4.36.2" "lsg-converter==0.1.9" "numpy<2"
"$environment/bin/python" -c 'import lsg_converter, transformers; print("lsg-converter with transformers", transformers.__version__)'
