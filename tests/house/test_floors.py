"""Imports point down, and leaves stand alone."""

from __future__ import annotations

from graphlib import TopologicalSorter

FLOORS = [
    ["core"],
    ["diffusion", "clip", "interpret", "judges", "miniature", "store", "pages"],
    ["localise", "training"],
    ["methods", "attacks", "audits", "metrics", "tasks", "policies"],
    ["guarded", "benchmark", "trained", "tables", "miniature.build"],
    [
        "serve",
        "cli",
        "demo",
        "",
    ],  # "" is safelight/__init__.py and __main__.py: the public names, loaded when asked for
]
FLOOR = {part: floor for floor, parts in enumerate(FLOORS) for part in parts}
LEAVES = ("methods", "attacks", "audits", "metrics", "judges")
ONLY = {
    "diffusers": ["diffusion"],
    "sqlalchemy": ["store"],
    "sqlite3": ["store"],
    "alembic": ["store"],
    "fastapi": ["serve"],
    "starlette": ["serve"],
    "uvicorn": ["serve"],
    "cyclopts": ["cli"],
}


def part_of(name):
    """The part that a full module name belongs to: "safelight.miniature.build.unet" -> "miniature.build"."""
    inner = name.removeprefix("safelight").removeprefix(".")
    if inner in ("", "__main__"):
        return ""
    if inner.startswith("miniature.build"):
        return "miniature.build"
    return inner.split(".")[0]


def imported_modules(module, known):
    """Our modules that one imports; `from safelight.core import errors` is the module, not its package."""
    ours = {name for name in module.imports if name in known}
    return {name for name in ours if not any(other.startswith(f"{name}.") for other in ours)} - {module.name}


def test_every_part_has_a_floor(modules):
    assert {part_of(module.name) for module in modules} <= set(FLOOR)


def test_imports_point_down(modules):
    known = {module.name for module in modules}
    upward = [
        f"{module.name} (floor {FLOOR[part_of(module.name)]}) imports {name} (floor {FLOOR[part_of(name)]})"
        for module in modules
        for name in sorted(imported_modules(module, known))
        if FLOOR[part_of(name)] > FLOOR[part_of(module.name)]
    ]
    assert upward == []


def test_parts_of_one_floor_import_each_other_in_one_direction_only(modules):
    known = {module.name for module in modules}
    graph: dict[str, set[str]] = {}
    for module in modules:
        here = part_of(module.name)
        there = {part_of(name) for name in imported_modules(module, known)}
        graph.setdefault(here, set()).update(there - {here})
    TopologicalSorter(graph).prepare()  # raises CycleError with the cycle


def test_leaves_never_import_leaves(modules):
    known = {module.name for module in modules}
    packages = {"safelight." + group for group in LEAVES}
    crossing = [
        f"{module.name} imports {name}"
        for module in modules
        if module.inside(*LEAVES)
        for name in sorted(imported_modules(module, known) - packages)
        if part_of(name) in LEAVES
    ]
    assert crossing == []


def test_outside_libraries_stay_where_they_belong(modules):
    strays = [
        f"{module.name} imports {library}, which belongs to {' and '.join(homes)}"
        for module in modules
        for library, homes in ONLY.items()
        if any(name.split(".")[0] == library for name in module.imports) and not module.inside(*homes)
    ]
    assert strays == []


def test_only_the_command_line_prints_and_reads_arguments(modules):
    strays = [
        f"{module.name}: {word}"
        for module in modules
        if not module.inside("cli")
        for word in ("print", "sys.argv", "sys.stdout", "sys.stderr", "sys.exit", "input", "rich")
        if word in module.calls
        or any(name.split(".")[0] == word for name in module.imports)
        or (word.startswith("sys.") and word in module.text)
    ]
    assert strays == []


def test_leaves_neither_write_files_nor_log(modules):
    writes = {
        "write_text",
        "write_bytes",
        "mkdir",
        "unlink",
        "touch",
        "save",
        "savefig",
        "save_file",
        "save_pretrained",
    }
    strays = [
        f"{module.name}: {call}"
        for module in modules
        if module.inside(*LEAVES)
        for call in sorted(module.calls | module.imports)
        if call.split(".")[-1] in writes or call == "open" or call.split(".")[0] == "logging"
    ]
    assert strays == []


def test_no_public_function_shares_a_name_with_a_module(modules):
    import safelight

    siblings = {module.name.split(".")[1] for module in modules if "." in module.name}
    assert siblings & set(safelight.__all__) == set()
