"""Imports only ever point down, and never in a circle. Inside functions and for type checking count too."""

from __future__ import annotations

from tests.house.source_tree import PACKAGE, imports, module_name, source_files

# From the ground up. Rooms on one floor do not know each other.
FLOORS = (
    ("common", "modeling"),
    ("families", "sources"),
    ("plan",),
    ("folder",),
    ("bench", "verification"),
    ("conversion", "export", "sweep"),
    ("lsg_convert",),
    ("cli",),
    ("__main__",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
MODULES = {module_name(path) for path in source_files()}
GRAPH = {module_name(path): sorted(set(imports(path, MODULES))) for path in source_files()}


def room_of(module: str) -> str:
    """The package or file at the top that a module is in."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def test_every_room_has_its_floor() -> None:
    assert {room_of(module) for module in MODULES} == FLOOR.keys()
    assert len(FLOORS) <= 9


def test_the_hall_is_small() -> None:
    entries = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert len(entries - {"__init__.py", "__main__.py", "py.typed"}) <= 12, sorted(entries)


def test_no_arrow_points_up() -> None:
    wrong = [
        f"{module}:{line} imports {target}"
        for module, targets in GRAPH.items()
        for line, target in targets
        if room_of(target) != room_of(module) and FLOOR[room_of(target)] >= FLOOR[room_of(module)]
    ]
    assert not wrong, "\n".join(wrong)


def test_no_circle_between_files() -> None:
    done: set[str] = set()
    for module in GRAPH:
        circle = _circle(module, [], done)
        assert not circle, " → ".join(circle)


def _circle(module: str, path: list[str], done: set[str]) -> list[str]:
    """The first circle that is met on the way from `module`; those in `done` lead into none."""
    if module in path:
        return [*path[path.index(module) :], module]
    if module in done:
        return []
    for target in dict.fromkeys(target for _, target in GRAPH[module]):
        circle = _circle(target, [*path, module], done)
        if circle:
            return circle
    done.add(module)
    return []


def test_a_circle_is_seen() -> None:
    GRAPH["a"], GRAPH["b"] = [(1, "b")], [(1, "a")]
    try:
        assert _circle("a", [], set()) == ["a", "b", "a"]
    finally:
        del GRAPH["a"], GRAPH["b"]


def test_modeling_imports_nothing_of_ours_outside_itself() -> None:
    outside = {
        f"{module} imports {target}"
        for module, targets in GRAPH.items()
        for _, target in targets
        if room_of(module) == "modeling" and room_of(target) != "modeling"
    }
    assert not outside
