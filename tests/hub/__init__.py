"""A Hub on loopback: a small real HTTP server that speaks what huggingface_hub's own client asks for.

with LoopbackHub(tmp_path) as hub:
    hub.add("me/bert", {"config.json": b"{}"})
    run([...], env={**os.environ, **hub.environment()})
"""

from tests.hub.faults import Fault
from tests.hub.server import LoopbackHub

__all__ = ["Fault", "LoopbackHub"]
