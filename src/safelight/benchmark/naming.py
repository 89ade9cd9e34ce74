"""How scores are named in the database: "name:label@version" by "judge:preset@version"."""

from __future__ import annotations


def column(metric: str, label: str) -> str:
    """accuracy@1 and kind -> accuracy:kind@1; a label that is called like its metric adds nothing."""
    name, _, version = metric.partition("@")
    return metric if label == name else f"{name}:{label}@{version}"


def stem(column: str) -> str:
    """accuracy:kind@1 -> accuracy@1."""
    name, _, version = column.partition("@")
    return f"{name.partition(':')[0]}@{version}"


def family(column: str) -> str:
    """accuracy:kind@1 -> accuracy, the metric as it is registered."""
    return stem(column).partition("@")[0]


def heading(metric: str, judge: str) -> str:
    """What stands over a measure's column: its judge and itself, without versions."""
    return " ".join(name.partition("@")[0] for name in (judge, metric) if name)
