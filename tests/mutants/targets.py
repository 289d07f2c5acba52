"""What is changed, and which tests must notice: those where the thing lives."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

from tests.mutants import python, sql
from tests.mutants.mutant import Mutant, mutants_of


@dataclass(frozen=True)
class Target:
    """Files that are changed, and the tests that are run on each change, the quickest first."""

    name: str
    files: tuple[str, ...]
    tests: tuple[str, ...]
    only: str = ""
    """Only lines in which this pattern is found are changed."""
    needs_node: bool = False

    def mutants(self, root: Path) -> list[Mutant]:
        """Every mutant of its files."""
        found: list[Mutant] = []
        for file in itertools.chain.from_iterable(_matching(root, pattern) for pattern in self.files):
            text = (root / file).read_text(encoding="utf-8")
            changes = python.changes(text) if file.endswith(".py") else sql.changes(text)
            found += [one for one in mutants_of(root, file, list(changes)) if re.search(self.only, one.was)]
        return found

    def test_files(self, root: Path) -> tuple[str, ...]:
        """Its tests, file by file."""
        found = ([test] if test.endswith(".py") else _matching(root, f"{test}/**/test_*.py") for test in self.tests)
        return tuple(itertools.chain.from_iterable(found))


def _matching(root: Path, pattern: str) -> list[str]:
    found = sorted(str(path.relative_to(root)) for path in root.glob(pattern))
    if not found:
        raise FileNotFoundError(f"{pattern}: no such file. Say in {__file__} where it has gone.")
    return found


def _files(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}.py" for name in names)


TARGETS = (
    Target(
        "permissions",
        ("src/sublet/identity/permissions.py", "src/sublet/core/actors.py", "src/sublet/core/actions.py"),
        ("tests/core/test_actors.py", "tests/core/test_actions.py", "tests/identity/test_permissions.py"),
    ),
    Target(
        "signing in",
        ("src/sublet/identity/throttles.py", "src/sublet/identity/hash_queue.py", "src/sublet/identity/sign_in.py"),
        (
            "tests/identity/test_hash_queue.py",
            "tests/identity/test_sign_in.py",
            "tests/identity/test_sign_up.py",
            "tests/invariants/test_nobody_locked_out.py",
        ),
    ),
    Target(
        "allocations",
        ("src/sublet/allocations/states.py",),
        ("tests/allocations/test_states.py", "tests/invariants/test_states.py"),
    ),
    Target("nodes", ("src/sublet/fleet/states.py",), ("tests/fleet/test_states.py", "tests/fleet/test_enrolment.py")),
    Target("top-ups", ("src/sublet/payments/top_ups/states.py",), ("tests/payments/test_states.py",)),
    Target(
        "transitions",
        ("src/sublet/migrations/versions/0001_core.py",),
        ("tests/fleet/test_states.py", "tests/allocations/test_states.py"),
        only=r"NEW\.state|listed",
    ),
    Target(
        "fencing",
        ("src/sublet/core/work/leases.py", "src/sublet/core/work/ready.py"),
        _files(
            "tests/core/work",
            "test_apart",
            "test_leases",
            "test_bulkheads",
            "test_crashes",
            "test_ticks",
            "test_reconciler",
            "test_delivery",
            "test_plans",
            "test_running",
            "test_killed",
        ),
    ),
    Target(
        "engine",
        ("src/sublet/core/work/reconciler.py", "src/sublet/core/work/delivery.py", "src/sublet/core/work/slots.py"),
        ("tests/core/work",),
    ),
    Target("claims", ("src/sublet/scheduling/claims.py", "src/sublet/scheduling/windows.py"), ("tests/scheduling",)),
    Target(
        "taken back",
        (
            "src/sublet/payments/refunds/outcomes.py",
            "src/sublet/payments/disputes/outcomes.py",
            "src/sublet/payments/launch_stop.py",
            "src/sublet/payments/stripe/subjects.py",
        ),
        (
            "tests/payments/test_refunds.py",
            "tests/payments/test_disputes.py",
            "tests/payments/test_taken_back.py",
            "tests/payments/test_installation.py",
            "tests/payments/test_webhooks.py",
        ),
    ),
    Target("approvals", ("src/sublet/approvals/states.py",), ("tests/approvals",)),
    Target("proof", ("src/sublet/allocations/work/evidence.py",), ("tests/allocations/test_evidence.py",)),
    Target(
        "requests",
        ("src/sublet/core/pages.py", "src/sublet/core/idempotency.py", "src/sublet/core/websockets.py"),
        ("tests/core/test_pages.py", "tests/core/test_websockets.py", "tests/core/test_idempotency.py"),
    ),
    Target(
        "metering",
        (
            "src/sublet/billing/charges.py",
            "src/sublet/billing/meters.py",
            "src/sublet/billing/watermarks.py",
            "src/sublet/billing/settlement.py",
            "src/sublet/billing/batches.py",
        ),
        (
            "tests/billing/test_charges.py",
            "tests/billing/test_metering.py",
            "tests/billing/test_settlement.py",
            "tests/billing/test_due.py",
            "tests/billing/test_batches.py",
            "tests/billing/test_month_edges.py",
            "tests/billing/test_cost.py",
        ),
    ),
    Target(
        "what is kept without money",
        ("src/sublet/billing/data_clock.py", "src/sublet/billing/runway.py"),
        _files("tests/billing", "test_data_clock", "test_runway", "test_funds", "test_cost"),
    ),
    Target(
        "spending limits",
        ("src/sublet/billing/spending_limits.py", "src/sublet/billing/limit_review.py", "src/sublet/billing/spend.py"),
        _files("tests/billing", "test_spending_limits", "test_spending_limit_rows"),
    ),
    Target(
        "credit",
        (
            "src/sublet/payments/credits/budget.py",
            "src/sublet/payments/credits/codes.py",
            "src/sublet/payments/credits/grants.py",
            "src/sublet/billing/credit_expiry.py",
            "src/sublet/billing/credit_edges.py",
        ),
        ("tests/payments/test_credits.py", "tests/billing/test_credit_expiry.py"),
    ),
    Target(
        "the processor's balance",
        (
            "src/sublet/payments/mirror/*.py",
            "src/sublet/payments/payouts/outcomes.py",
            "src/sublet/payments/payouts/states.py",
        ),
        _files("tests/payments", "test_payouts", "test_mirror", "test_mirror_checks"),
    ),
    Target(
        "seals",
        ("src/sublet/core/heads.py", "src/sublet/admin/seals.py", "src/sublet/admin/verification.py"),
        ("tests/admin/test_heads.py", "tests/admin/test_seals.py"),
    ),
    Target(
        "notices",
        ("src/sublet/notifications/notices.py", "src/sublet/notifications/preferences.py"),
        ("tests/notifications/test_notices.py", "tests/notifications/test_mail.py"),
    ),
    Target(
        "ledger",
        ("src/sublet/ledger/sql/*.sql",),
        _files(
            "tests/ledger",
            "test_postings",
            "test_hostile_calls",
            "test_corrections",
            "test_lots",
            "test_promo_lots",
            "test_promo_lot_rows",
            "test_published",
            "test_charging",
            "test_holds",
            "test_seals",
            "test_entries",
            "test_waiting",
            "test_tampering",
            "test_refusals",
            "test_months",
            "test_batches",
            "test_reconciliation",
            "test_concurrency",
        ),
    ),
    Target(
        "disk",
        ("node/sublet_node/disk/simple_quotas.py", "node/sublet_node/disk/trees.py", "node/sublet_node/disk/homes.py"),
        ("tests/node/test_disk.py",),
        needs_node=True,
    ),
    Target(
        "release",
        ("node/sublet_node/evidence.py",),
        ("tests/node/test_evidence.py",),
        only=r"lambda:|if found:|now\.",
        needs_node=True,
    ),
)
