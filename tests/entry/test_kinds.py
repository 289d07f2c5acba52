"""Every kind of work that a worker does has its table of steps, and the page of them is up to date."""

from pathlib import Path

from sublet.core.settings import SecretRef, Settings
from sublet.entry.kinds import ENDS, STEPS
from sublet.entry.worker import Worker

PAGE = Path(__file__).resolve().parents[2] / "docs" / "work.md"


def test_the_worker_does_what_is_listed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "stripe").write_text("sk_test_none")
    settings = Settings(
        data_directory=tmp_path,
        database_url="postgresql://nobody@127.0.0.1:1/none",
        stripe_api_key=SecretRef(f"file:{tmp_path / 'stripe'}"),
    )
    declared = {work.kind: work.steps for work in Worker(settings).works()}
    assert declared == dict(STEPS)
    assert all(steps for steps in declared.values())
    assert {work.kind: work.end for work in Worker(settings).works()} == dict(ENDS)


def test_the_page_tells_of_every_step() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for kind, steps in STEPS.items():
        assert f"## {kind}\n" in page
        for step in steps:
            row = f"| {step.name} | {step.does} | {step.leaves} | {step.compensation} |"
            assert row in page, f"docs/work.md lacks {step.name!r} of {kind}: run `make settings`"


def test_the_page_tells_how_each_kind_ends() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for kind, end in ENDS.items():
        row = f"| {kind} | {end.on_failures} | {end.crashes or 'no number'} | {end.on_crashes} |"
        assert row in page, f"docs/work.md lacks how {kind} ends: run `make settings`"
