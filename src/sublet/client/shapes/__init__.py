"""The JSON of the API as types: what a method of the client returns is exactly what the server said."""

from sublet.client.shapes.allocations import (
    Allocation,
    AllocationSummary,
    Charge,
    Operation,
    Port,
    SshCertificate,
    Startup,
    StartupOutput,
    StateChange,
    Step,
)
from sublet.client.shapes.amounts import Action, Money, Rate
from sublet.client.shapes.approvals import Approval
from sublet.client.shapes.catalog import LaunchAction, ListedPrice, ManagedSku, Offer, Price, Sku
from sublet.client.shapes.events import Event, EventPage
from sublet.client.shapes.fleet import AdminAllocation, ForcedRelease, Gpu, Join, Node, NodeAdded, NodeDetail
from sublet.client.shapes.notices import Notice
from sublet.client.shapes.people import Me, Organization, SshKey, Token
from sublet.client.shapes.repairs import (
    PaymentEventReceived,
    Reconciliation,
    ReplayedEvent,
    RetriedWork,
    SetAsideEvent,
    StoredFinding,
    UnfinishedWork,
)
from sublet.client.shapes.wallet import AutoTopUp, CardSetup, Entry, Page, SavedCard, TopUp, Usage, Wallet

__all__ = [
    "Action",
    "AdminAllocation",
    "Allocation",
    "AllocationSummary",
    "Approval",
    "AutoTopUp",
    "CardSetup",
    "Charge",
    "Entry",
    "Event",
    "EventPage",
    "ForcedRelease",
    "Gpu",
    "Join",
    "LaunchAction",
    "ListedPrice",
    "ManagedSku",
    "Me",
    "Money",
    "Node",
    "NodeAdded",
    "NodeDetail",
    "Notice",
    "Offer",
    "Operation",
    "Organization",
    "Page",
    "PaymentEventReceived",
    "Port",
    "Price",
    "Rate",
    "Reconciliation",
    "ReplayedEvent",
    "RetriedWork",
    "SavedCard",
    "SetAsideEvent",
    "Sku",
    "SshCertificate",
    "SshKey",
    "Startup",
    "StartupOutput",
    "StateChange",
    "Step",
    "StoredFinding",
    "Token",
    "TopUp",
    "UnfinishedWork",
    "Usage",
    "Wallet",
]
