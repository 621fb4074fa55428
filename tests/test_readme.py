"""What README shows is what there is. That the demo's lines work as they are is shown by tests/edge/test_demo.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge import demo_lines
from edge.app import validate
from edge.demo_web import bookstore_script, gateway_script
from edge.model.errors import InvalidRequest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks() -> list[str]:
    """Return the indented blocks, without their indentation."""
    found = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", README, re.MULTILINE)
    return ["\n".join(line[4:] for line in block.splitlines()) for block in found]


def test_the_lines_to_try_are_those_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_lines, "command", lambda name: f".venv/bin/{name}")
    lines = demo_lines.lines_to_try("127.0.0.1:8080", "127.0.0.1:9090", "127.0.0.1:50051")
    assert "\n".join(lines) in [block.strip() for block in blocks()]


def test_the_lines_without_grpc_are_those_of_the_demo() -> None:
    client = (".venv/bin/python", "examples/bookstore/websocket_client.py")
    script = [*bookstore_script("127.0.0.1:8080", client), *gateway_script("127.0.0.1:9090")]
    lines = [step if isinstance(step, str) else step.line for step in script]
    assert "\n".join(lines) in [block.strip() for block in blocks()]


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    (shown,) = [block for block in blocks() if "upstreams:\n" in block]
    file = tmp_path / "edge.yaml"
    file.write_text(shown)
    validate(file)
    file.write_text(shown.replace("round_robin", "round_robbin"))
    with pytest.raises(InvalidRequest, match=r"edge\.yaml:\d+:\d+.*did you mean.*round_robin"):
        validate(file)


def test_the_commands_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    documents = README + (ROOT / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"\bmake ([a-z-]+)", documents)) <= targets


DOCUMENTS = sorted(path for folder in (".", "docs", "examples/*") for path in ROOT.glob(f"{folder}/*.md"))


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in DOCUMENTS])
def test_links_lead_somewhere(path: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#]+)(?:#([^)]*))?\)", path.read_text()):
        found = path.parent / target
        assert found.exists(), f"{path} links to {target}"
        if anchor:
            text = (found / "README.md" if found.is_dir() else found).read_text()
            headings = [re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in text.splitlines()]
            assert f"-{anchor}" in [heading.replace("--", "-") for heading in headings], f"{path} links to #{anchor}"
