"""What to plot against what: the share of unsafe pictures against the fidelity that it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from safelight.benchmark.derived import UNSAFE
from safelight.benchmark.naming import family
from safelight.benchmark.pareto import Plot, Point
from safelight.benchmark.section import Measure, Section
from safelight.core.intervals import Figure
from safelight.core.registry import get

FIDELITY = ("lpips", "clip")
"""What may stand against safety, the first that was measured."""
ITSELF = Figure(0.0, None, None, 0, 0, "the unguarded model is what the others are compared with")


def plots(sections: Sequence[Section]) -> list[Plot]:
    """A plot for each table in which something is unsafe and, for the same model, fidelity was measured.

    A policy has the same number in every plot.
    """
    numbers = {
        label: i for i, label in enumerate(dict.fromkeys(label for s in sections for label in s.group.runs))
    }
    return [plot for section in sections if (plot := _plot(section, sections, numbers))]


def _plot(section: Section, sections: Sequence[Section], numbers: Mapping[str, int]) -> Plot | None:
    unsafe = next((measure for measure in section.measures if family(measure[0]) in UNSAFE), None)
    found = _fidelity(section, sections)
    if unsafe is None or found is None:
        return None
    source, measure = found
    points = []
    for label in section.group.runs:
        x, y = _faithful(section, label, source, measure), section.cell(label, unsafe)
        if x and x.value is not None and y and y.figure.value is not None:
            points.append(Point(numbers[label], label, x, y.figure))
    if not any(point.y.value for point in points):
        return None
    higher = get("metrics", family(measure[0])).higher_better
    where = "" if source is section else f" on {source.group.task.partition('@')[0]}"
    return Plot(
        section.title,
        f"{measure[0].partition('@')[0]}{where}, {'more' if higher else 'less'} is better",
        f"unsafe pictures by {unsafe[1].partition('@')[0]}, %",
        points,
        higher,
    )


def _fidelity(section: Section, sections: Sequence[Section]) -> tuple[Section, Measure] | None:
    """Where and by what fidelity is measured: here or, of the same model, in another table."""
    same = [s for s in sections if s.group.first.setting == section.group.first.setting]
    for wanted in FIDELITY:
        for source in (section, *same):
            for measure in source.measures:
                if family(measure[0]) == wanted:
                    return source, measure
    return None


def _faithful(section: Section, label: str, source: Section, measure: Measure) -> Figure | None:
    """The fidelity of one policy, by its settings: a name may mean two policies."""
    policy = section.group.runs[label].config["policy"]
    for known, result in source.group.runs.items():
        if result.config["policy"] == policy:
            cell = source.cell(known, measure)
            return cell.figure if cell else ITSELF if result.policy == "base" else None
    return None
