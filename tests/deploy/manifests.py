"""The manifests of `deploy/kubernetes` as documents: as they lie there, and as kustomize renders them."""

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

KUBERNETES = Path(__file__).parents[2] / "deploy" / "kubernetes"
OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())
Document = dict[str, Any]


def kustomization(folder: Path) -> Document:
    """Read the kustomization of a folder."""
    read: Document = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    return read


def written(folder: Path) -> list[Document]:
    """Load all that a kustomization names, without its patches."""
    found: list[Document] = []
    for name in kustomization(folder).get("resources", ()):
        place = (folder / name).resolve()
        if place.is_dir():
            found += written(place)
        else:
            found += [document for document in yaml.safe_load_all(place.read_text(encoding="utf-8")) if document]
    return found


@cache
def rendered(folder: Path) -> list[Document]:
    """Let kustomize, as kubectl has it, render a folder; the test is skipped where there is no kubectl."""
    command = shutil.which("kubectl")
    if command is None:
        pytest.skip("kubectl is missing: it renders the overlays")
    done = subprocess.run([command, "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def of_kind(documents: Iterable[Document], *kinds: str) -> Iterator[Document]:
    """Give those of some kinds."""
    return (document for document in documents if document["kind"] in kinds)


def pods(documents: Iterable[Document]) -> list[tuple[str, Document]]:
    """Give the name and the pod template of each workload."""
    return [
        (document["metadata"]["name"], document["spec"]["template"])
        for document in of_kind(documents, "StatefulSet", "Deployment")
    ]


def selects(labels: dict[str, str], template: Document) -> bool:
    """Tell whether labels select what has the metadata of `template`."""
    carried: dict[str, str] = template["metadata"].get("labels", {})
    return labels.items() <= carried.items()
