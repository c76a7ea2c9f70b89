"""Every YAML file that we deploy: no key twice, no line too long, no truth that is spelt `yes`."""

from pathlib import Path

import pytest
from yamllint import linter  # type: ignore[import-untyped]
from yamllint.config import YamlLintConfig  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "deploy").rglob("*.y*ml"), ROOT / "grafana" / "kustomization.yaml"])
CONFIG = YamlLintConfig(
    """
    extends: default
    rules:
      document-start: disable
      line-length: {max: 180}
      comments: {min-spaces-from-content: 1}
      comments-indentation: disable
    """
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_yaml_is_clean(path: Path) -> None:
    found = linter.run(path.read_text(encoding="utf-8"), CONFIG, str(path))
    assert [str(problem) for problem in found] == []


def test_a_key_that_comes_twice_is_found() -> None:
    assert [problem.rule for problem in linter.run("a: 1\na: 2\n", CONFIG)] == ["key-duplicates"]
