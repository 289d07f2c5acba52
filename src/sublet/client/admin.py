"""What an operator can do; every call needs a token of somebody with a platform role."""

from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import quote

from sublet.client.books import Books
from sublet.client.credits import Credits
from sublet.client.payouts import Payouts
from sublet.client.refunds import Refunds
from sublet.client.shapes import (
    AdminAllocation,
    Approval,
    ForcedRelease,
    Gpu,
    Join,
    ListedPrice,
    ManagedSku,
    Node,
    NodeAdded,
    NodeDetail,
    PaymentEventReceived,
    Reconciliation,
    ReplayedEvent,
    RetriedWork,
    SetAsideEvent,
    StoredFinding,
    UnfinishedWork,
)
from sublet.client.shapes.fleet import DriftedNode, HelperRollout, HelperUpgrade, HelperVersions
from sublet.client.shapes.repairs import FindingDetail, FindingOwner
from sublet.client.transport import Transport


class Admin:
    """The operator's half of the API."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.books = Books(transport)
        self.refunds = Refunds(transport)
        self.credits = Credits(transport)
        self.payouts = Payouts(transport)

    def nodes(self, *, name: str | None = None) -> Iterator[Node]:
        """The fleet, or the node of a name."""
        return self._transport.pages("/admin/nodes", name=name)

    def node(self, node_id: str) -> NodeDetail:
        """One node, with its enrolment checklist."""
        return cast(NodeDetail, self._transport.get(_node(node_id)))

    def add_node(
        self, name: str, address: str, *, port: int | None = None, labels: Mapping[str, str] | None = None
    ) -> NodeAdded:
        """Announce a server; run the answer's `join.command` on it."""
        body: dict[str, Any] = {"name": name, "address": address}
        if port is not None:
            body["port"] = port
        if labels:
            body["labels"] = dict(labels)
        return cast(NodeAdded, self._transport.create("/admin/nodes", body))

    def helper_versions(self) -> HelperVersions:
        """Which helpers the nodes have, and how the last rollout went."""
        return cast(HelperVersions, self._transport.get("/admin/helper-versions"))

    def helper_drift(self) -> Iterator[DriftedNode]:
        """Nodes whose helper is not the release's."""
        return self._transport.pages("/admin/helper-drift")

    def upgrade_helpers(self, canary_id: str) -> HelperRollout:
        """Bring the release's helper to the nodes, to the canary first."""
        return cast(HelperRollout, self._transport.create("/admin/helper-rollouts", {"canary": canary_id}))

    def rollouts(self) -> Iterator[HelperRollout]:
        """Every helper that was brought to the nodes, newest first."""
        return self._transport.pages("/admin/helper-rollouts")

    def rollout(self, rollout_id: str) -> HelperRollout:
        """One of them."""
        return cast(HelperRollout, self._transport.get(f"/admin/helper-rollouts/{quote(rollout_id, safe='')}"))

    def rollout_nodes(self, rollout_id: str) -> Iterator[HelperUpgrade]:
        """What became of each node in a rollout, by name."""
        return self._transport.pages(f"/admin/helper-rollouts/{quote(rollout_id, safe='')}/nodes")

    def stop_rollout(self, rollout_id: str, reason: str) -> HelperRollout:
        """Upgrade no further node."""
        path = f"/admin/helper-rollouts/{quote(rollout_id, safe='')}/stop"
        return cast(HelperRollout, self._transport.post(path, {"reason": reason}))

    def correct_node(
        self, node_id: str, *, name: str | None = None, address: str | None = None, port: int | None = None
    ) -> Node:
        """Correct what a node is called or where it answers; what is None stays."""
        asked = {"name": name, "address": address, "port": port}
        body = {key: value for key, value in asked.items() if value is not None}
        return cast(Node, self._transport.patch(_node(node_id), body))

    def remove_node(self, node_id: str) -> None:
        """Take a node out of the fleet that never came to anything, or whose machine has left."""
        self._transport.delete(_node(node_id))

    def join_token(self, node_id: str) -> Join:
        """A new one-time token for a node; the one before stops working."""
        return cast(Join, self._transport.create(_node(node_id, "join-token"), {}))

    def cordon(self, node_id: str) -> Node:
        """No new allocations on this node; those on it stay."""
        return cast(Node, self._transport.post(_node(node_id, "cordon")))

    def uncordon(self, node_id: str) -> Node:
        """New allocations on this node again."""
        return cast(Node, self._transport.post(_node(node_id, "uncordon")))

    def drain(self, node_id: str, reason: str, *, deadline_seconds: int, credit_seconds: int) -> Node:
        """Empty a node; what still runs at the deadline is suspended, and credited so many seconds at its own rate."""
        body = {"reason": reason, "deadline_seconds": deadline_seconds, "credit_seconds": credit_seconds}
        return cast(Node, self._transport.post(_node(node_id, "drain"), body))

    def change_node(self, node_id: str, act: str, reason: str) -> Node:
        """`stop-drain`, `maintenance`, `quarantine`, `put-back` or `retire` a node, for a reason."""
        return cast(Node, self._transport.post(_node(node_id, act), {"reason": reason}))

    def self_test(self, node_id: str) -> Node:
        """Have a node test itself; its result is shown with the node."""
        return cast(Node, self._transport.post(_node(node_id, "self-test")))

    def force_release(self, node_id: str, reason: str, *, credit_seconds: int) -> ForcedRelease:
        """Give up a node that will not return: asked for, and done by the same call once somebody has approved it."""
        body = {"reason": reason, "credit_seconds": credit_seconds}
        return cast(ForcedRelease, self._transport.post(_node(node_id, "force-release"), body))

    def quarantine_gpu(self, node_id: str, uuid: str, reason: str) -> Gpu:
        """Keep a GPU from being given out until somebody vouches for it; what has it goes on."""
        path = _node(node_id, "gpus", quote(uuid, safe=""), "quarantine")
        return cast(Gpu, self._transport.post(path, {"reason": reason}))

    def set_ports(self, node_id: str, ports: tuple[int, int] | None) -> Node:
        """Which ports of a node customers may publish by, both ends among them; None for none."""
        asked = None if ports is None else {"first": ports[0], "last": ports[1]}
        return cast(Node, self._transport.post(_node(node_id, "ports"), {"range": asked}))

    def clear_gpu(self, node_id: str, uuid: str, reason: str) -> Gpu:
        """End a GPU's quarantine on your word that nothing of a customer is left on it."""
        path = _node(node_id, "gpus", quote(uuid, safe=""), "clear")
        return cast(Gpu, self._transport.post(path, {"reason": reason}))

    def skus(self) -> Iterator[ManagedSku]:
        """Every SKU, also inactive ones."""
        return self._transport.pages("/admin/skus")

    def sku(self, sku_id: str) -> ManagedSku:
        """One SKU, by its id."""
        return cast(ManagedSku, self._transport.get(f"/admin/skus/{quote(sku_id, safe='')}"))

    def add_sku(
        self,
        code: str,
        *,
        name: str,
        vcpu: int,
        memory_mib: int,
        disk_gib: int,
        gpu_model: str | None = None,
        gpu_count: int = 0,
        network_mbit: int | None = None,
        whole_node: bool = False,
        node_network: bool = False,
        node_labels: Mapping[str, str] | None = None,
    ) -> ManagedSku:
        """Define a sellable shape; it is on offer once it has a price."""
        body: dict[str, Any] = {
            "code": code,
            "name": name,
            "vcpu": vcpu,
            "memory_mib": memory_mib,
            "disk_gib": disk_gib,
            "gpu_count": gpu_count,
            "node_labels": dict(node_labels or {}),
        }
        if gpu_model is not None:
            body["gpu_model"] = gpu_model
        if network_mbit is not None:
            body["network_mbit"] = network_mbit
        if whole_node:
            body["whole_node"] = True
        if node_network:
            body["node_network"] = True
        return cast(ManagedSku, self._transport.create("/admin/skus", body))

    def change_sku(self, sku_id: str, *, name: str | None = None, active: bool | None = None) -> ManagedSku:
        """Rename a SKU, or take it off or put it back on offer."""
        asked = {"name": name, "active": active}
        body = {field: value for field, value in asked.items() if value is not None}
        path = f"/admin/skus/{quote(sku_id, safe='')}"
        return cast(ManagedSku, self._transport.patch(path, body, repeatable=active is None))

    def prices(self, *, sku_id: str | None = None) -> Iterator[ListedPrice]:
        """Versions of prices, newest first."""
        return self._transport.pages("/admin/prices", sku_id=sku_id)

    def set_price(
        self,
        sku_id: str,
        per_hour: str,
        *,
        suspended_claim: str,
        suspended_claim_hours: int | None = None,
        suspended_per_hour: str | None = None,
        disk_per_hour: str | None = None,
        currency: str,
        effective_at: str | None = None,
    ) -> ListedPrice:
        """A new version of a SKU's price, for launches from `effective_at` (default: now); what runs keeps its own.

        `suspended_claim` is `none`, `hours` or `always`, and needs the prices that apply then.
        """
        terms = {
            "suspended_claim_hours": suspended_claim_hours,
            "suspended_per_hour": suspended_per_hour,
            "disk_per_hour": disk_per_hour,
            "effective_at": effective_at,
        }
        body = {
            "sku_id": sku_id,
            "per_hour": per_hour,
            "suspended_claim": suspended_claim,
            "currency": currency,
            **{name: value for name, value in terms.items() if value is not None},
        }
        return cast(ListedPrice, self._transport.create("/admin/prices", body))

    def allocations(self, *, state: str | None = None) -> Iterator[AdminAllocation]:
        """Everybody's allocations."""
        return self._transport.pages("/admin/allocations", state=state)

    def findings(
        self,
        *,
        state: str | None = None,
        code: str | None = None,
        severity: str | None = None,
        subject_id: str | None = None,
        owner_id: str | None = None,
    ) -> Iterator[StoredFinding]:
        """What was found not to fit, newest first; `state` is `open` or `closed`, and None means both. `owner_id` is
        an operator's, or `nobody`."""
        path = "/admin/findings"
        return self._transport.pages(
            path, state=state, code=code, severity=severity, subject_id=subject_id, owner_id=owner_id
        )

    def finding_owners(self) -> Iterator[FindingOwner]:
        """The operators to whom a finding can be given."""
        return self._transport.pages("/admin/finding-owners")

    def finding(self, finding_id: str) -> FindingDetail:
        """One finding, with what mends it and all that became of it."""
        return cast(FindingDetail, self._transport.get(f"/admin/findings/{quote(finding_id, safe='')}"))

    def assign_finding(self, finding_id: str, owner_id: str | None) -> StoredFinding:
        """Give an open finding to an operator who may settle it; None gives it back to nobody."""
        path = f"/admin/findings/{quote(finding_id, safe='')}/assign"
        return cast(StoredFinding, self._transport.post(path, {"owner_id": owner_id}))

    def resolve_finding(self, finding_id: str, reason: str) -> StoredFinding:
        """Close a finding on your word; a check that still finds the same opens a new one."""
        path = f"/admin/findings/{quote(finding_id, safe='')}/resolve"
        return cast(StoredFinding, self._transport.post(path, {"reason": reason}))

    def approvals(self, *, state: str | None = None) -> Iterator[Approval]:
        """What operators asked a second person's consent for, newest first."""
        return self._transport.pages("/admin/approvals", state=state)

    def approval(self, approval_id: str) -> Approval:
        """One act that needs a second person."""
        return cast(Approval, self._transport.get(_approval(approval_id)))

    def reject_approval(self, approval_id: str, reason: str) -> Approval:
        """Refuse an approval for good. No method approves: that takes a fresh sign-in, and a token never is one."""
        return cast(Approval, self._transport.post(_approval(approval_id, "reject"), {"reason": reason}))

    def set_aside_events(self) -> Iterator[SetAsideEvent]:
        """Events that a handler kept refusing; nothing tries them until they are replayed."""
        return self._transport.pages("/admin/events/set-aside")

    def replay_event(self, event_id: str) -> ReplayedEvent:
        """Let an event that was set aside be handled again."""
        return cast(ReplayedEvent, self._transport.post(f"/admin/events/{quote(event_id, safe='')}/replay"))

    def unfinished_work(self) -> Iterator[UnfinishedWork]:
        """Work that does not come to its end, by kind and id."""
        return self._transport.pages("/admin/work")

    def retry_work(self, kind: str, work_id: str) -> RetriedWork:
        """Let work that was set aside be taken up again."""
        path = "/".join(("/admin/work", quote(kind, safe=""), quote(work_id, safe=""), "retry"))
        return cast(RetriedWork, self._transport.post(path))

    def process_payment_event(self, payment_event_id: str) -> PaymentEventReceived:
        """Let an event of the card processor that was not understood be processed again."""
        path = f"/admin/payment-events/{quote(payment_event_id, safe='')}/process"
        return cast(PaymentEventReceived, self._transport.post(path))

    def reconcile(self) -> Reconciliation:
        """Check that the books, the machines and the card processor tell the same story."""
        return cast(Reconciliation, self._transport.post("/admin/reconcile"))


def _node(node_id: str, *parts: str) -> str:
    return "/".join(("/admin/nodes", quote(node_id, safe=""), *parts))


def _approval(approval_id: str, *parts: str) -> str:
    return "/".join(("/admin/approvals", quote(approval_id, safe=""), *parts))
