/** Names for the shapes of the API, each taken from the route that answers with it. */
import type { paths } from "./schema";

type Json<R> = R extends { content: { "application/json": infer T } } ? T : never;
export type Answer<P extends keyof paths, M extends keyof paths[P], S extends number> = paths[P][M] extends {
  responses: infer R;
}
  ? S extends keyof R
    ? Json<R[S]>
    : never
  : never;
type Body<P extends keyof paths, M extends "post" | "patch" = "post"> = paths[P] extends {
  [method in M]: { requestBody: { content: { "application/json": infer T } } };
}
  ? T
  : never;
type Item<P> = P extends { items: (infer T)[] } ? T : never;

export type Me = Answer<"/api/v1/me", "get", 200>;
export type Terms = NonNullable<Answer<"/api/v1/auth/terms", "get", 200>["terms"]>;
export type TermsBody = Body<"/api/v1/me/terms">;
export type Member = Item<Answer<"/api/v1/organizations/{organization_id}/members", "get", 200>>;
export type Notice = Item<Answer<"/api/v1/notices", "get", 200>>;
export type NoticePreference = Answer<"/api/v1/notices/preferences", "get", 200>["items"][number];
export type NoticeSwitch = Body<"/api/v1/notices/preferences", "patch">;
export type EmailConfirmation = Body<"/api/v1/me/email/confirmation">;
export type SessionView = Item<Answer<"/api/v1/auth/sessions", "get", 200>>;
export type ApiToken = Item<Answer<"/api/v1/api-tokens", "get", 200>>;
export type ApiTokenCreated = Answer<"/api/v1/api-tokens", "post", 201>;
export type SshKey = Item<Answer<"/api/v1/ssh-keys", "get", 200>>;

export type Offer = Item<Answer<"/api/v1/offers", "get", 200>>;
export type Sku = Item<Answer<"/api/v1/admin/skus", "get", 200>>;
export type Price = Item<Answer<"/api/v1/admin/prices", "get", 200>>;
export type PriceStanding = Price["standing"];

export type Allocation = Answer<"/api/v1/allocations/{id_or_name}", "get", 200>;
/** What a row of the list shows of one. */
export type AllocationSummary = Item<Answer<"/api/v1/allocations", "get", 200>>;
export type AllocationState = Allocation["state"];
export type Port = Allocation["ports"][number];
export type PortState = Port["state"];
export type Operation = NonNullable<Allocation["operation"]>;
export type Evidence = NonNullable<Allocation["evidence"]>;
export type Startup = NonNullable<Allocation["startup"]>;
export type Charge = Item<Answer<"/api/v1/allocations/{id_or_name}/charges", "get", 200>>;
export type HistoryEntry = Item<Answer<"/api/v1/allocations/{id_or_name}/history", "get", 200>>;
export type ExplainedCharge = Answer<"/api/v1/usage/{charge_id}", "get", 200>;
export type UsageCharge = Item<Answer<"/api/v1/usage", "get", 200>>;
export type AdminAllocation = Item<Answer<"/api/v1/admin/allocations", "get", 200>>;

export type Wallet = Answer<"/api/v1/wallet", "get", 200>;
export type MonthUsage = Answer<"/api/v1/usage/by-day", "get", 200>;
export type Entry = Item<Answer<"/api/v1/wallet/entries", "get", 200>>;
export type TopUpState = TopUp["state"];
export type TopUp = Answer<"/api/v1/top-ups", "post", 201>;
export type SavedCard = Item<Answer<"/api/v1/payment-methods", "get", 200>>;
export type CardSetup = Answer<"/api/v1/payment-methods", "post", 201>;
export type CardSetupState = CardSetup["state"];
export type SpendingLimitBody = Body<"/api/v1/spending-limits/{limit_id}", "patch">;
export type Credit = Item<Answer<"/api/v1/credits", "get", 200>>;
export type RedeemBody = Body<"/api/v1/promo-codes/redeem">;
export type SpendingLimit = Item<Answer<"/api/v1/spending-limits", "get", 200>>;
export type AutoTopUp = Answer<"/api/v1/auto-top-up", "get", 200>;

/** A payment by card, and what of it can go back. */
export type Payment = Item<Answer<"/api/v1/payments", "get", 200>>;
export type RefundRequest = Item<Answer<"/api/v1/refund-requests", "get", 200>>;
export type RefundRequestState = RefundRequest["state"];
export type Refund = Item<Answer<"/api/v1/refunds", "get", 200>>;
export type RefundState = Refund["state"];
export type CreditBudget = Answer<"/api/v1/admin/credit-budget", "get", 200>;
export type PromoCode = Item<Answer<"/api/v1/admin/promo-codes", "get", 200>>;
/** Credit that an operator gave. */
export type Grant = Item<Answer<"/api/v1/admin/credits", "get", 200>>;
export type Dispute = Item<Answer<"/api/v1/admin/disputes", "get", 200>>;
export type DisputeEvidence = Answer<"/api/v1/admin/disputes/{dispute_id}/evidence", "get", 200>;
export type EvidenceBody = Body<"/api/v1/admin/disputes/{dispute_id}/evidence">;
export type DisputeState = Dispute["state"];
export type Payout = Item<Answer<"/api/v1/admin/payouts", "get", 200>>;
export type PayoutState = Payout["state"];
export type PayoutTransaction = Item<Answer<"/api/v1/admin/payouts/{payout_id}/transactions", "get", 200>>;
export type WholePayout = Answer<"/api/v1/admin/payouts/{payout_id}", "get", 200>;
export type Finding = Item<Answer<"/api/v1/admin/findings", "get", 200>>;
export type FindingOwner = Item<Answer<"/api/v1/admin/finding-owners", "get", 200>>;
export type WholeFinding = Answer<"/api/v1/admin/findings/{finding_id}", "get", 200>;
export type Severity = Finding["severity"];
export type Month = Item<Answer<"/api/v1/admin/months", "get", 200>>;
export type MonthReport = Answer<"/api/v1/admin/months/{month}", "get", 200>;
export type TrialBalance = Answer<"/api/v1/admin/reports/trial-balance", "get", 200>;
export type DeferredRevenue = Answer<"/api/v1/admin/reports/deferred-revenue", "get", 200>;
export type Revenue = Answer<"/api/v1/admin/reports/revenue", "get", 200>;
export type Statement = Answer<"/api/v1/admin/reports/statement", "get", 200>;
export type Unmetered = Answer<"/api/v1/admin/reports/unmetered", "get", 200>;
/** An organization as operators see it, with its owner. */
export type Customer = Item<Answer<"/api/v1/admin/organizations", "get", 200>>;

export type Node = Item<Answer<"/api/v1/admin/nodes", "get", 200>>;
export type NodeDetail = Answer<"/api/v1/admin/nodes/{node_id}", "get", 200>;
export type NodeState = Node["state"];
export type GpuState = NonNullable<Node["inventory"]>["gpus"][number]["state"];
export type NodeCreated = Answer<"/api/v1/admin/nodes", "post", 201>;
export type Join = NodeCreated["join"];

export type HelperVersions = Answer<"/api/v1/admin/helper-versions", "get", 200>;
export type HelperCount = HelperVersions["counts"][number];
export type DriftedNode = Item<Answer<"/api/v1/admin/helper-drift", "get", 200>>;
export type Rollout = Item<Answer<"/api/v1/admin/helper-rollouts", "get", 200>>;
export type RolloutPhase = Rollout["phase"];
export type Upgrade = Item<Answer<"/api/v1/admin/helper-rollouts/{rollout_id}/nodes", "get", 200>>;
export type UpgradeOutcome = Upgrade["outcome"];
export type Approval = Item<Answer<"/api/v1/admin/approvals", "get", 200>>;
export type ApprovalState = Approval["state"];

export type Money = Wallet["balance"];
export type Rate = Wallet["burn_per_hour"];
/** What may be done now; `reason` says why not. */
export type Action = Wallet["actions"][number];

export type SignUpBody = Body<"/api/v1/auth/signup">;
export type PortBody = Body<"/api/v1/allocations/{id_or_name}/ports">;
export type CardSetupBody = Body<"/api/v1/payment-methods">;
export type AutoTopUpBody = Body<"/api/v1/auto-top-up", "patch">;
export type LoginBody = Body<"/api/v1/auth/login">;
export type ApiTokenBody = Body<"/api/v1/api-tokens">;
export type SshKeyBody = Body<"/api/v1/ssh-keys">;
export type LaunchBody = Body<"/api/v1/allocations">;
export type TopUpBody = Body<"/api/v1/top-ups">;
export type RefundRequestBody = Body<"/api/v1/refund-requests">;
export type RefundBody = Body<"/api/v1/admin/refunds">;
export type GrantBody = Body<"/api/v1/admin/credits">;
export type PromoCodeBody = Body<"/api/v1/admin/promo-codes">;
export type AdjustmentBody = Body<"/api/v1/admin/adjustments">;
export type NodeBody = Body<"/api/v1/admin/nodes">;
export type NodeChange = Body<"/api/v1/admin/nodes/{node_id}", "patch">;
export type SkuBody = Body<"/api/v1/admin/skus">;
export type PriceBody = Body<"/api/v1/admin/prices">;
