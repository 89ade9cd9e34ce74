"""The files around the package agree with each other."""

from __future__ import annotations

import re
import subprocess
import tomllib

import safelight


def names(requirements):
    """Project names as package indexes compare them: "SQLAlchemy>=2" -> "sqlalchemy"."""
    return {re.split(r"[^\w.-]", line)[0].lower().replace("_", "-") for line in requirements}


def test_constraints_pin_every_requirement_and_nothing_that_binds_a_machine(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    lines = (root / "constraints.txt").read_text().split("\n")[:-1]
    extras = project["optional-dependencies"]
    wanted = (
        names(project["dependencies"]) | names(extras["test"]) | names(extras["dev"]) | names(extras["docs"])
    )

    assert all(re.fullmatch(r"[a-z0-9.-]+==[0-9][\w.]*", line) for line in lines), lines
    assert wanted - names(lines) == set()
    assert "torch==2.13.0" in lines
    assert {name for name in names(lines) if name.startswith(("torchvision", "nvidia-", "cuda-"))} == set()


def test_all_holds_no_torchvision_no_cluster_and_no_agpl(root):
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras["all"] == ["safelight[report,server,otel,ui,ocr,hash,text,datasets,track]"]
    members = names(line for extra in re.findall(r"\w+", extras["all"][0])[1:] for line in extras[extra])
    assert members & {"torchvision", "ray", "nudenet", "trl", "open-clip-torch", "torch-fidelity"} == set()


def test_the_package_version_is_the_one_in_the_changelog(root):
    assert f"\n## {safelight.__version__}" in (root / "CHANGELOG.md").read_text()


def test_no_file_of_the_package_is_ignored_by_git(root):
    # The wheel leaves out what git ignores; ignoring every folder "build" would lose the miniature's recipe.
    files = [
        str(path) for path in (root / "src").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        input="\n".join(files),
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert ignored.stdout == ""


def test_pictures_and_pages_that_the_readme_shows_exist(root):
    targets = re.findall(r"\]\(([^)#:]+)\)", (root / "README.md").read_text())
    assert targets
    assert [target for target in targets if not (root / target).exists()] == []
