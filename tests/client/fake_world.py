"""A small world that answers as the API promises: catalogue, wallet, allocations that move a step at each look."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.client.fake_names import DONE_AT_LAUNCH, EVIDENCE, STEPS
from tests.client.fake_shapes import at, per_hour, usd

CUSTOMER_TOKEN = "sublet_customer"
OPERATOR_TOKEN = "sublet_operator"

HOLD = Decimal("1.00")
UNCLEAN = "Something is left on the node: processes."
CONTROL_GROUP = "Read back from the kernel's control group."
NO_QUOTA = "The file system of the home has no quota."


NEVER = {"suspend_at": None, "data_kept_until": None}


@dataclass
class World:
    """What the server knows."""

    skus: dict[str, dict[str, Any]] = field(default_factory=dict)
    prices: list[dict[str, Any]] = field(default_factory=list)
    free: dict[str, int] = field(default_factory=dict)
    allocations: dict[str, dict[str, Any]] = field(default_factory=dict)
    charges: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    operations: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    rollouts: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    top_ups: dict[str, dict[str, Any]] = field(default_factory=dict)
    cards: list[dict[str, Any]] = field(default_factory=list)
    auto_top_up: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)
    set_aside: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    approvals: list[dict[str, Any]] = field(default_factory=list)
    months: list[dict[str, Any]] = field(default_factory=list)
    not_understood: set[str] = field(default_factory=set)
    strangers: list[dict[str, Any]] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)
    residents: list[dict[str, Any]] = field(default_factory=list)
    drain: dict[str, Any] | None = None
    self_test: dict[str, Any] | None = None
    unfinished: list[dict[str, Any]] = field(default_factory=list)
    certify: Callable[[dict[str, Any], str], dict[str, Any]] | None = None
    balance: Decimal = Decimal("20.00")
    warning: str | None = None
    credit: dict[str, Any] | None = None
    """Promotional credit, all of which expires at a time."""
    data_kept_until: str | None = None
    refusal: str | None = None
    stopped: bool = False
    stuck: bool = False
    fails: bool = False
    unclean: bool = False
    checks_ok: bool = True
    count: int = 0

    def new_id(self, prefix: str) -> str:
        """Ids count, so that a test knows them."""
        self.count += 1
        return f"{prefix}_{self.count:016d}"

    def add_sku(self, code: str, rate: str, *, free: int = 2, gpu: str | None = None, **changes: Any) -> dict[str, Any]:
        """A SKU with its price."""
        sku: dict[str, Any] = {
            "id": self.new_id("sku"),
            "code": code,
            "name": code.replace("-", " ").capitalize(),
            "vcpu": 2,
            "memory_mib": 4096,
            "disk_gib": 20,
            "gpu_model": gpu,
            "gpu_count": 1 if gpu else 0,
            "node_labels": {},
            "active": True,
            "created_at": at(86400),
        } | changes
        self.skus[sku["id"]] = sku
        self.free[sku["id"]] = free
        self.add_price(sku["id"], rate)
        return sku

    def add_price(
        self, sku_id: str, rate: str, suspended: str = "0.00", effective_at: str | None = None, **terms: Any
    ) -> dict[str, Any]:
        """A new version of a price; `terms` of suspension, where they are others than that its claim is kept always."""
        disk = terms.pop("disk_per_hour", None)
        price = {
            "id": self.new_id("prc"),
            "sku_id": sku_id,
            "currency": "USD",
            "per_hour": per_hour(rate),
            "suspended_per_hour": per_hour(suspended),
            "suspended_claim": "always",
            "suspended_claim_hours": None,
            "disk_per_hour": None if disk is None else per_hour(disk),
            **terms,
            "effective_at": effective_at or at(3600),
            "created_at": at(3600),
        }
        self.prices.insert(0, price)
        return price

    def managed(self, sku: dict[str, Any]) -> dict[str, Any]:
        """A SKU as operators see it."""
        price = next((price for price in self.prices if price["sku_id"] == sku["id"]), None)
        return {**sku, "price": price, "actions": []}

    def listed(self, price: dict[str, Any]) -> dict[str, Any]:
        """A version of a price among all others."""
        newest = self.price_of(price["sku_id"]) is price
        return {**price, "in_force": newest, "standing": "in_force" if newest else "past"}

    def price_of(self, sku_id: str) -> dict[str, Any]:
        """The newest version."""
        return next(price for price in self.prices if price["sku_id"] == sku_id)

    def offers(self) -> list[dict[str, Any]]:
        """What is active and priced."""
        return [
            {
                "id": sku["id"],
                "sku": sku,
                "price": self.price_of(sku["id"]),
                "available": self.free[sku["id"]],
                "limits_enforced": sku["code"] != "loose",
                "hold": usd(HOLD),
                "actions": [self.launch_action(sku["id"])],
            }
            for sku in self.skus.values()
            if sku["active"] and any(price["sku_id"] == sku["id"] for price in self.prices)
        ]

    def launch_action(self, sku_id: str) -> dict[str, Any]:
        """Whether a launch would go through, and if not, why not."""
        code, status, reason, advice = None, None, None, ""
        if self.refusal is not None:
            code, status, reason = "permission_denied", 403, self.refusal
        elif self.free[sku_id] == 0:
            code, status, reason = "no_capacity", 409, "Nothing of this kind is free now."
        elif self.stopped:
            code, status, reason, advice = "launches_stopped", 409, "A payment was taken back.", " Ask the operator."
        elif self.warning in {"grace", "suspended"} or self.balance - 1 < HOLD:
            code, status, reason = "insufficient_funds", 402, f"A launch sets {HOLD} USD aside, and less is available."
        detail = None if reason is None else f"{reason} Nothing was launched.{advice}"
        told = {"reason": reason, "code": code, "status": status, "detail": detail}
        return {"name": "launch", "allowed": code is None, **told}

    def add_node(self, name: str, address: str, port: int = 22, labels: dict[str, str] | None = None) -> dict[str, Any]:
        """A node that has not joined yet."""
        node: dict[str, Any] = {
            "id": self.new_id("nd"),
            "name": name,
            "address": address,
            "port": port,
            "state": "enrolling",
            "labels": labels or {},
            "limits_enforced": None,
            "capabilities": [],
            "inventory": None,
            "claimed": {"vcpu": 0, "memory_mib": 0, "disk_gib": 0, "gpus": 0},
            "ports": None,
            "last_seen_at": None,
            "host_certificate_expires_at": None,
            "helper_version": None,
            "created_at": at(),
            "actions": [],
        }
        self.nodes[node["id"]] = node
        return node

    def join(self, node: dict[str, Any], *, enforced: bool = True) -> dict[str, Any]:
        """Let a node join."""
        gpu = {"uuid": "GPU-1", "model": "A100", "memory_mib": 81920, "state": "available"}
        gpu |= {"quarantine": None, "health": None}
        node |= {
            "state": "ready",
            "limits_enforced": enforced,
            "capabilities": [{"name": "cpu", "enforced": enforced, "detail": "The kernel's own file shows it."}],
            "inventory": {
                "vcpu": 8,
                "memory_mib": 32768,
                "disk_gib": 200,
                "kernel": "6.1",
                "os": "Debian 12",
                "gpus": [gpu],
            },
            "last_seen_at": at(5),
            "helper_version": "1",
        }
        return node

    def allocation(
        self, name: str, sku: dict[str, Any], *, state: str = "active", seconds: int = 3900
    ) -> dict[str, Any]:
        """An allocation that has run for some time."""
        price = self.price_of(sku["id"])
        cost = (Decimal(price["per_hour"]["amount"]) * seconds / 3600).quantize(Decimal("0.000001"))
        node = next(iter(self.nodes.values()), None)
        started = state in {"active", "suspended"}
        allocation: dict[str, Any] = {
            "id": self.new_id("al"),
            "name": name,
            "state": state,
            "sku": sku,
            "price": price,
            "node": node and {key: node[key] for key in ("id", "name", "limits_enforced")},
            "login": "al-test",
            "ssh": None,
            "created_at": at(seconds),
            "started_at": at(seconds) if started else None,
            "ended_at": None,
            "release_requested_at": None,
            "claim_kept_until": None,
            "claim_ended_at": None,
            "waits_for_room_since": None,
            "failure": None,
            "delivered_seconds": seconds if started else 0,
            "cost": {
                "charged": usd("0.00"),
                "accrued": usd(cost if started else "0"),
                "total": usd(cost if started else "0"),
                "held": usd("1.00"),
                "rate": price["per_hour"],
                "as_of": at(),
            },
            "funds": {"runway_seconds": 11700 if started else None, "warning": self.warning, **NEVER},
            "enforced": [
                {"limit": "cpu", "requested": "200%", "enforced": True, "detail": CONTROL_GROUP},
                {"limit": "disk", "requested": "20 GiB", "enforced": False, "detail": NO_QUOTA},
            ],
            "labels": {},
            "environment": [],
            "startup": None,
            "evidence": None,
            "incidents": [],
            "ports": [],
            "restart_price": price if state == "lost" else None,
            "traffic": {"in_bytes": 1_610_612_736, "out_bytes": 3_277, "seen_at": at(8)} if started else None,
            "actions": [],
            "operation": None,
        }
        self.allocations[allocation["id"]] = allocation
        return allocation

    def startup(self, **changes: Any) -> dict[str, Any]:
        """How a startup script fared that has failed, unless told otherwise."""
        return {
            "state": "failed",
            "ended_by": "exit",
            "exit_code": 3,
            "signal": None,
            "detail": None,
            "script_bytes": 40,
            "output_bytes": 12,
            "began_at": at(60),
            "ended_at": at(50),
        } | changes

    def summary(self, allocation: dict[str, Any]) -> dict[str, Any]:
        """What a list shows of it."""
        shown = ("id", "name", "state", "node", "created_at", "started_at", "ended_at", "delivered_seconds", "labels")
        parts = {"sku": ("id", "code", "name"), "price": ("per_hour",), "cost": ("total", "rate")}
        parts["funds"] = ("runway_seconds", "warning", "data_kept_until")
        summary = {key: allocation[key] for key in shown}
        summary |= {part: {key: allocation[part][key] for key in keys} for part, keys in parts.items()}
        return {**summary, "ssh": allocation["ssh"] and {"command": allocation["ssh"]["command"]}}

    def admin_summary(self, allocation: dict[str, Any]) -> dict[str, Any]:
        """What a list shows operators of it."""
        shown = {
            key: value
            for key, value in self.summary(allocation).items()
            if key not in {"price", "ssh", "funds", "labels"}
        }
        owner = {"id": "org_0000000000000001", "name": "Acme"}
        inside = None
        if allocation["failure"] is not None:
            inside = {
                "code": allocation["failure"]["code"],
                "text": "north cannot be reached at 192.0.2.7:22: no route.",
            }
            inside |= {"step": "connect_to_node", "node_id": "nd_0000000000000001", "request_id": None, "at": at()}
        shown |= {"failure": allocation["failure"], "operator_error": inside}
        return {**shown, "organization": owner, "state_seconds": 75}

    def begin(self, allocation: dict[str, Any], kind: str) -> dict[str, Any]:
        """Start an operation; a launch has done some of it already."""
        pending = {"state": "pending", "started_at": None, "finished_at": None, "detail": None}
        done = {"state": "done", "started_at": at(), "finished_at": at(), "detail": None}
        ready = DONE_AT_LAUNCH if kind == "provision" else ()
        operation = {
            "id": self.new_id("op"),
            "kind": kind,
            "state": "running",
            "attempts": 1,
            "error": None,
            "started_at": at(),
            "finished_at": None,
            "steps": [{"name": name, **(done if name in ready else pending)} for name in STEPS[kind]],
        }
        allocation["operation"] = operation
        self.operations.setdefault(allocation["id"], []).insert(0, operation)
        return allocation

    def advance(self, allocation: dict[str, Any]) -> None:
        """Move one step on, unless the world is stuck."""
        operation = allocation["operation"]
        if self.stuck or operation is None or operation["state"] != "running":
            return
        if allocation["state"] == "queued":
            allocation["state"] = "provisioning"
        for step in operation["steps"]:
            if step["state"] == "pending":
                step |= {"state": "done", "started_at": at(0.4), "finished_at": at(0.1)}
                break
        if all(step["state"] == "done" for step in operation["steps"]):
            self._finish(allocation, operation)

    def _finish(self, allocation: dict[str, Any], operation: dict[str, Any]) -> None:
        operation |= {"state": "succeeded", "finished_at": at()}
        kind = operation["kind"]
        if kind == "provision" and self.fails:
            operation |= {"state": "failed"}
            failure = {"code": "node_unreachable", "message": "The node did not answer. Your hold was released."}
            allocation |= {"state": "failed", "failure": failure, "ended_at": at()}
            refused = {"allowed": False, "reason": "It has failed."}
            allocation["actions"] = [{"name": name, **refused} for name in ("release", "cancel")]
        elif kind == "release" and self.unclean:
            operation |= {"state": "failed", "error": {"code": "not_clean", "message": UNCLEAN}}
            allocation |= {"state": "release_failed"}
        elif kind == "release":
            checks = [{"name": name, "clean": True, "detail": "Looked again: nothing left."} for name in EVIDENCE]
            evidence = {"released_at": at(), "clean": True, "checks": checks}
            allocation |= {"state": "released", "ended_at": at(), "evidence": evidence}
            allocation["cost"] |= {"charged": allocation["cost"]["total"], "accrued": usd("0"), "held": usd("0")}
            allocation["funds"]["runway_seconds"] = None
        else:
            allocation |= {"state": "suspended" if kind == "suspend" else "active", "started_at": at()}
            allocation["funds"]["runway_seconds"] = 11700

    def tell(self, kind: str, subject: str, **data: Any) -> None:
        """An event; a subject is named in its data too."""
        named = {"al": "allocation_id", "or": "organization_id", "nd": "node_id", "tu": "top_up_id"}[subject[:2]]
        event = {"id": f"7-{len(self.events)}", "type": kind, "time": at(), "subject": subject}
        self.events.append({**event, "data": {named: subject, **data}})

    def set_event_aside(self, kind: str, subject: str) -> None:
        """An event that its handler kept refusing."""
        facts = {"id": f"7-{40 + len(self.set_aside)}", "type": kind, "subject": subject}
        self.set_aside.append({**facts, "attempts": 16, "last_error": "DataError", "failed_at": at(300)})

    def leave_unfinished(self, kind: str, identity: str, trouble: str, *, attempts: int, last_error: str) -> None:
        """Work that does not come to its end."""
        facts = {"kind": kind, "id": identity, "place": "", "trouble": trouble, "attempts": attempts, "crashes": 0}
        self.unfinished.append({**facts, "last_error": last_error, "since": at(300)})

    def wallet(self) -> dict[str, Any]:
        """The wallet."""
        burn = sum(
            (Decimal(one["cost"]["rate"]["amount"]) for one in self.allocations.values() if one["state"] == "active"),
            Decimal("0.00"),
        )
        return {
            "organization_id": "org_0000000000000001",
            "currency": "USD",
            "balance": usd(self.balance),
            "held": usd("1.00"),
            "available": usd(self.balance - 1),
            "promo": usd("0") if self.credit is None else self.credit["amount"],
            "receivable": usd("0"),
            "burn_per_hour": per_hour(f"{burn:f}"),
            "runway_seconds": int((self.balance - 1) * 3600 / burn) if burn else None,
            "warning": self.warning,
            **NEVER,
            "credit_expires": self.credit,
            "data_kept_until": self.data_kept_until,
            "actions": [{"name": "top_up", "allowed": True, "reason": None}],
        }


def furnished() -> World:
    """A world with two offers and a node."""
    world = World()
    world.join(world.add_node("node-a", "10.0.0.1"))
    world.add_sku("cpu-small", "0.3600")
    world.add_sku("gpu-a100", "2.4000", gpu="A100", vcpu=8, memory_mib=32768)
    return world
