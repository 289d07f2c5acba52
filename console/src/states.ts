/**
 * Every state that a thing can be in, and what is made of it: its word, its look, and what a page does while it lasts.
 * Each is a record over the states that the API names, so that the type checker lists whatever forgets a new one.
 */
import type { ReactNode } from "react";
import type { AllocationState, ApprovalState, GpuState, NodeState, Operation, PortState, PriceStanding, RolloutPhase, Startup, TopUp, TopUpState, UpgradeOutcome } from "~/api/types";
import { formatMoney } from "~/format/money";
import type { LiveState } from "~/live/EventStream";
import { t } from "~/messages";
import type { TerminalState } from "~/terminal/TerminalSession";
import { CheckIcon, CrossIcon, DotIcon, WaitIcon } from "~/ui/icons";
import type { NoticeTone } from "~/ui/Notice";
import type { Look } from "~/ui/Status";

export type Said = { tone: NoticeTone; title: string; detail: string };

/** Reads a record by a state of the API. One that the server has learnt since this page was built goes by its name. */
export function reader<S extends string, L extends { label: string }>(states: Record<S, L>, unknown: Omit<L, "label">) {
  return (state: string): L => (Object.hasOwn(states, state) ? states[state as S] : ({ ...unknown, label: state } as L));
}

export const UNKNOWN = { tone: "quiet", shape: "ring" } as const;

type OfAllocation = Look & {
  /** It can be connected to, and costs money now. */
  usable?: true;
  /** Something is being done to it, so that it changes within seconds. */
  underWay?: true;
  /** Time is charged for, or would be if the node answered. */
  runsUp?: true;
  /** Nobody can connect to it any more. */
  closed?: true;
  /** It is over for its owner and for the books. */
  ended?: true;
  /** Its time does not pass: the bar is not in colour. */
  stands?: true;
  /** What is offered to halt it or to let it go on. */
  toggle?: "suspend" | "resume";
  /** What its owner should know about it. */
  notice?: Said;
};

const { state: ALLOCATION_LABEL, suspendedNotice, lostNotice, releaseFailedNotice } = t.allocations;

export const ALLOCATION_STATES: Record<AllocationState, OfAllocation> = {
  queued: { label: ALLOCATION_LABEL.queued, tone: "quiet", shape: "dashes", underWay: true },
  provisioning: { label: ALLOCATION_LABEL.provisioning, tone: "busy", shape: "half", underWay: true },
  active: { label: ALLOCATION_LABEL.active, tone: "ok", shape: "disc", usable: true, runsUp: true, toggle: "suspend" },
  suspended: { label: ALLOCATION_LABEL.suspended, tone: "warn", shape: "bars", runsUp: true, toggle: "resume", notice: { tone: "warn", ...suspendedNotice } },
  releasing: { label: ALLOCATION_LABEL.releasing, tone: "busy", shape: "arrow", underWay: true, closed: true },
  released: { label: ALLOCATION_LABEL.released, tone: "quiet", shape: "square", closed: true, ended: true, stands: true },
  failed: { label: ALLOCATION_LABEL.failed, tone: "bad", shape: "cross", closed: true, ended: true, stands: true },
  release_failed: { label: ALLOCATION_LABEL.release_failed, tone: "bad", shape: "triangle", closed: true, notice: { tone: "warn", ...releaseFailedNotice } },
  lost: { label: ALLOCATION_LABEL.lost, tone: "bad", shape: "diamond", runsUp: true, stands: true, notice: { tone: "bad", ...lostNotice } },
};

export const PORT_STATES: Record<PortState, Look> = {
  opening: { label: t.allocations.ports.state.opening, tone: "busy", shape: "half" },
  open: { label: t.allocations.ports.state.open, tone: "ok", shape: "disc" },
  closed: { label: t.allocations.ports.state.closed, tone: "warn", shape: "bars" },
  refused: { label: t.allocations.ports.state.refused, tone: "bad", shape: "cross" },
  closing: { label: t.allocations.ports.state.closing, tone: "busy", shape: "arrow" },
  gone: { label: t.allocations.ports.state.gone, tone: "quiet", shape: "square" },
};

export const portState = reader(PORT_STATES, UNKNOWN);

export const allocationState = reader(ALLOCATION_STATES, UNKNOWN);

export function isAllocationState(name: string): name is AllocationState {
  return Object.hasOwn(ALLOCATION_STATES, name);
}

const { activity: ACTIVITY } = t.allocations;

/** An operation: how its last error is told, and whether it still goes on. */
const OPERATION_STATES: Record<Operation["state"], { label: string; errorTone: NoticeTone; underWay?: true }> = {
  running: { label: ACTIVITY.state.running, errorTone: "warn", underWay: true },
  succeeded: { label: ACTIVITY.state.done, errorTone: "warn" },
  failed: { label: ACTIVITY.state.failed, errorTone: "bad" },
  cancelled: { label: ACTIVITY.state.cancelled, errorTone: "warn" },
};

export const operationState = reader(OPERATION_STATES, { errorTone: "warn" });

const { state: STARTUP_LABEL } = t.allocations.startup;

const STARTUP_STATES: Record<Startup["state"], Look> = {
  waiting: { label: STARTUP_LABEL.waiting, tone: "quiet", shape: "dashes" },
  running: { label: STARTUP_LABEL.running, tone: "busy", shape: "half" },
  succeeded: { label: STARTUP_LABEL.succeeded, tone: "ok", shape: "disc" },
  failed: { label: STARTUP_LABEL.failed, tone: "bad", shape: "cross" },
  stopped: { label: STARTUP_LABEL.stopped, tone: "warn", shape: "square" },
};

export const startupState = reader(STARTUP_STATES, UNKNOWN);

export type StepState = Operation["steps"][number]["state"];

const STEP_STATES: Record<StepState, { label: string; icon: () => ReactNode; done?: true }> = {
  pending: { label: ACTIVITY.state.pending, icon: DotIcon },
  running: { label: ACTIVITY.state.running, icon: WaitIcon },
  done: { label: ACTIVITY.state.done, icon: CheckIcon, done: true },
  failed: { label: ACTIVITY.state.failed, icon: CrossIcon },
};

export const stepState = reader(STEP_STATES, { icon: DotIcon });

const { state: NODE_LABEL } = t.operator.nodes;

export const NODE_STATES: Record<NodeState, Look & { enrols?: true }> = {
  enrolling: { label: NODE_LABEL.enrolling, tone: "busy", shape: "half", enrols: true },
  ready: { label: NODE_LABEL.ready, tone: "ok", shape: "disc" },
  cordoned: { label: NODE_LABEL.cordoned, tone: "warn", shape: "bars" },
  draining: { label: NODE_LABEL.draining, tone: "warn", shape: "arrow" },
  maintenance: { label: NODE_LABEL.maintenance, tone: "quiet", shape: "square" },
  quarantined: { label: NODE_LABEL.quarantined, tone: "bad", shape: "triangle" },
  offline: { label: NODE_LABEL.offline, tone: "bad", shape: "cross" },
  retired: { label: NODE_LABEL.retired, tone: "quiet", shape: "ring" },
};

export const nodeState = reader(NODE_STATES, UNKNOWN);

const { phase: PHASE, outcome: UPGRADE } = t.helpers;

/** A helper on its way to the nodes; it goes on in some phases, and then changes by itself. */
export const ROLLOUT_PHASES: Record<RolloutPhase, Look & { underWay?: true; noticeTone: NoticeTone }> = {
  canary: { label: PHASE.canary, tone: "busy", shape: "half", underWay: true, noticeTone: "busy" },
  rolling: { label: PHASE.rolling, tone: "busy", shape: "arrow", underWay: true, noticeTone: "busy" },
  done: { label: PHASE.done, tone: "ok", shape: "disc", noticeTone: "ok" },
  stopped: { label: PHASE.stopped, tone: "bad", shape: "cross", noticeTone: "warn" },
};

export const rolloutPhase = reader(ROLLOUT_PHASES, { ...UNKNOWN, noticeTone: "info" });

export const UPGRADE_OUTCOMES: Record<UpgradeOutcome, Look> = {
  waiting: { label: UPGRADE.waiting, tone: "quiet", shape: "dashes" },
  done: { label: UPGRADE.done, tone: "ok", shape: "disc" },
  failed: { label: UPGRADE.failed, tone: "bad", shape: "cross" },
  left: { label: UPGRADE.left, tone: "quiet", shape: "square" },
};

export const upgradeOutcome = reader(UPGRADE_OUTCOMES, UNKNOWN);

const { state: APPROVAL } = t.approvals;

export const APPROVAL_STATES: Record<ApprovalState, Look> = {
  requested: { label: APPROVAL.requested, tone: "busy", shape: "dashes" },
  approved: { label: APPROVAL.approved, tone: "ok", shape: "half" },
  rejected: { label: APPROVAL.rejected, tone: "bad", shape: "cross" },
  used: { label: APPROVAL.used, tone: "ok", shape: "disc" },
  expired: { label: APPROVAL.expired, tone: "quiet", shape: "square" },
};

export const approvalState = reader(APPROVAL_STATES, UNKNOWN);

export function isApprovalState(name: string): name is ApprovalState {
  return Object.hasOwn(APPROVAL_STATES, name);
}

const { gpuState: GPU_LABEL } = t.operator.node;

/** A GPU; one may be waiting for an operator to vouch for it, another can be kept from customers. */
const GPU_STATES: Record<GpuState, { label: string; toClear?: true; toKeep?: true }> = {
  available: { label: GPU_LABEL.available, toKeep: true },
  quarantined: { label: GPU_LABEL.quarantined, toClear: true },
  missing: { label: GPU_LABEL.missing, toKeep: true },
};

export const gpuState = reader(GPU_STATES, {});

const { state: TOP_UP_LABEL } = t.billing.topUps;
const { outcome: OUTCOME } = t.billing;

type OfTopUp = Look & {
  /** It may still change, so it is asked for again. */
  open?: true;
  /** It can be paid, at its own address. */
  payable?: true;
  /** Paid, and nothing is left to do but to wait. */
  waits?: true;
  /** The money is there. */
  arrived?: true;
  /** What somebody reads who comes back from the payment page. */
  outcome: (topUp: TopUp) => Said;
};

/** In the processor's words, where it gave a reason. */
const inItsWords = (said: Said) => ({ failure }: TopUp) => ({ ...said, detail: failure?.message || said.detail });

const pending = inItsWords({ tone: "warn", ...OUTCOME.pending });
const failed = inItsWords({ tone: "bad", ...OUTCOME.failed });

export const TOP_UP_STATES: Record<TopUpState, OfTopUp> = {
  pending: { label: TOP_UP_LABEL.pending, tone: "quiet", shape: "dashes", open: true, payable: true, outcome: pending },
  processing: { label: TOP_UP_LABEL.processing, tone: "busy", shape: "half", open: true, waits: true, outcome: () => ({ tone: "busy", ...OUTCOME.processing }) },
  needs_action: { label: TOP_UP_LABEL.needs_action, tone: "warn", shape: "ring", open: true, outcome: () => ({ tone: "warn", ...OUTCOME.needs_action }) },
  succeeded: { label: TOP_UP_LABEL.succeeded, tone: "ok", shape: "disc", arrived: true, outcome: ({ amount }) => ({ tone: "ok", ...OUTCOME.succeeded(formatMoney(amount)) }) },
  failed: { label: TOP_UP_LABEL.failed, tone: "bad", shape: "cross", outcome: failed },
  expired: { label: TOP_UP_LABEL.expired, tone: "quiet", shape: "square", outcome: () => ({ tone: "warn", ...OUTCOME.expired }) },
};

export const topUpState = reader(TOP_UP_STATES, { ...UNKNOWN, outcome: pending });

const { current, future, past } = t.operator.prices;

export const PRICE_STANDINGS: Record<PriceStanding, Look> = {
  in_force: { label: current, tone: "ok", shape: "disc" },
  planned: { label: future, tone: "busy", shape: "dashes" },
  past: { label: past, tone: "quiet", shape: "square" },
};

export const priceStanding = reader(PRICE_STANDINGS, UNKNOWN);

export const SKU_LOOKS: Record<"active" | "inactive", Look> = {
  active: { label: t.operator.skus.active, tone: "ok", shape: "disc" },
  inactive: { label: t.operator.skus.inactive, tone: "quiet", shape: "ring" },
};

/** How little money is left; the API names these in `warning`. */
type Warning = keyof typeof t.shell.banner;

const WARNINGS: Record<Warning, { label: string; tone: "warn" | "bad"; banner: (left: string) => string }> = {
  "72h": { label: "72h", tone: "warn", banner: t.shell.banner["72h"] },
  "24h": { label: "24h", tone: "warn", banner: t.shell.banner["24h"] },
  "1h": { label: "1h", tone: "bad", banner: t.shell.banner["1h"] },
  "10m": { label: "10m", tone: "bad", banner: t.shell.banner["10m"] },
  grace: { label: "grace", tone: "bad", banner: t.shell.banner.grace },
  suspended: { label: "suspended", tone: "bad", banner: t.shell.banner.suspended },
};

export const warningOf = reader(WARNINGS, { tone: "bad", banner: () => "" });

/** How the events channel stands. */
export const LIVE_STATES: Record<LiveState, Look> = {
  connecting: { label: t.shell.connecting, tone: "quiet", shape: "dashes" },
  live: { label: t.shell.live, tone: "ok", shape: "disc" },
  reconnecting: { label: t.shell.reconnecting, tone: "warn", shape: "dashes" },
  stopped: { label: t.shell.notLive, tone: "quiet", shape: "ring" },
};

export const TERMINAL_STATES: Record<TerminalState["kind"], Look> = {
  connecting: { label: t.terminal.connecting, tone: "busy", shape: "half" },
  open: { label: t.terminal.open, tone: "ok", shape: "disc" },
  reconnecting: { label: t.terminal.reconnecting, tone: "warn", shape: "dashes" },
  ended: { label: t.terminal.ended, tone: "quiet", shape: "square" },
};
