/** The command that does the same as a form. */

/** Quotes a word for a POSIX shell, where it needs that. */
function word(value: string): string {
  return /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}

function command(words: string[], options: Record<string, string | string[] | boolean | null | undefined> = {}): string {
  const flags = Object.entries(options).flatMap(([name, value]) =>
    typeof value === "boolean" ? (value ? [`--${name}`] : []) : [value ?? []].flat().filter(Boolean).map((one) => `--${name} ${word(one)}`),
  );
  return ["sublet", ...words.map(word), ...flags].join(" ");
}

/** Hours as a person writes them, in whole minutes as the command line reads them. */
const minutes = (hours: string) => (Number(hours) > 0 ? `${Math.round(Number(hours) * 60)}m` : "0");

const pairs = (labels: Record<string, string>) => Object.entries(labels).map(([name, value]) => `${name}=${value}`);

type SkuInput = {
  code: string;
  name: string;
  vcpu: string;
  memory: string;
  disk: string;
  network: string;
  gpuModel: string;
  gpuCount: string;
  node: string;
  labels: Record<string, string>;
};

type PriceInput = { rate: string; claim: string; hours: string; suspended: string; disk: string; currency: string; effective: string };

export const cli = {
  launch: (code: string, name: string, given: { script: boolean; variables: boolean; labels: Record<string, string> }) =>
    command(["launch", code], {
      name,
      script: given.script ? "FILE" : null,
      "env-file": given.variables ? "FILE" : null,
      label: pairs(given.labels),
    }),
  label: (name: string) => command(["label", name, "KEY=VALUE"]),
  autoTopUp: ({ threshold, amount, monthly_cap }: { threshold: string; amount: string; monthly_cap: string }) =>
    command(["auto-topup", "set"], { below: threshold || "AMOUNT", amount: amount || "AMOUNT", cap: monthly_cap || "AMOUNT" }),
  setLimit: (amount: string, scope: "day" | "month" | "allocation", allocation: string) =>
    command(["limit", "set", amount || "AMOUNT"], scope === "allocation" ? { for: allocation || "ALLOCATION" } : { per: scope }),
  redeem: (code: string) => command(["redeem", code || "CODE"]),
  topUp: (amount: string) => command(["top-up", amount || "AMOUNT"]),
  refundRequest: (payment: string, amount: string, reason: string) => command(["refund-request", payment, amount || "AMOUNT"], { reason: reason || "REASON" }),
  decideRefund: (verb: "approve" | "decline", request: string, decision: string) => command(["admin", "refund", verb, request], { decision: decision || "ANSWER" }),
  refund: (payment: string, amount: string, reason: string) => command(["admin", "refund", "create", payment, amount || "AMOUNT"], { reason: reason || "REASON" }),
  adjust: (organization: string, { direction, amount, currency, reason }: { direction?: string; amount?: string; currency?: string; reason?: string }) =>
    command(["admin", "adjust", organization, direction || "give", amount || "AMOUNT"], { currency: currency || "CURRENCY", reason: reason || "REASON" }),
  grant: ({ organization, amount, currency, expiry, validDays, reason }: { organization?: string; amount?: string; currency?: string; expiry?: string; validDays?: string; reason?: string }) =>
    command(["admin", "grant", organization || "ORGANIZATION", amount || "AMOUNT"], {
      currency: currency || "CURRENCY",
      "expires-after": expiry === "never" ? "never" : validDays || "DAYS",
      reason: reason || "REASON",
    }),
  makeCode: (asked: { code?: string; amount?: string; currency?: string; uses?: string; days?: string; expiry?: string; validDays?: string; reason?: string }) =>
    command(["admin", "promo-code", "create", asked.code || "CODE", asked.amount || "AMOUNT"], {
      currency: asked.currency || "CURRENCY",
      uses: asked.uses || "N",
      days: asked.days || "DAYS",
      "expires-after": asked.expiry === "never" ? "never" : asked.validDays || "DAYS",
      reason: asked.reason || "REASON",
    }),
  assignFinding: (id: string, owner: string, me: string) => command(["admin", "finding", "assign", id], owner === "" ? { nobody: true } : { to: owner === me ? null : owner }),
  resolveFinding: (id: string, reason: string) => command(["admin", "finding", "resolve", id], { reason: reason || "REASON" }),
  addNode: (input: { name: string; address: string; port: string; labels: Record<string, string> }) =>
    command(["admin", "node", "add", input.name || "NAME", input.address || "ADDRESS"], {
      port: input.port === "22" ? null : input.port,
      label: pairs(input.labels),
    }),
  clearGpu: (node: string, gpu: string, reason: string) => command(["admin", "node", "clear-gpu", node, gpu], { reason: reason || "REASON" }),
  quarantineGpu: (node: string, gpu: string, reason: string) => command(["admin", "node", "quarantine-gpu", node, gpu], { reason: reason || "REASON" }),
  nodeAct: (verb: string, node: string, { deadline, credit, reason }: { deadline: string | null; credit: string | null; reason: string | null }) =>
    command(["admin", "node", verb, node], {
      deadline: deadline === null ? null : minutes(deadline),
      credit: credit === null ? null : minutes(credit),
      reason: reason === null ? null : reason || "REASON",
    }),
  startRollout: (canary: string) => command(["admin", "node", "upgrade"], { canary }),
  stopRollout: (reason: string) => command(["admin", "node", "upgrade"], { stop: reason || "REASON" }),
  refuseApproval: (id: string, reason: string) => command(["admin", "approval", "reject", id], { reason: reason || "REASON" }),
  setPorts: (node: string, range: string) => command(["admin", "node", "ports", node, range || "FIRST-LAST"]),
  createSku: (input: SkuInput) =>
    command(["admin", "sku", "add", input.code || "CODE"], {
      name: input.name,
      vcpu: input.vcpu,
      memory: input.memory,
      disk: input.disk,
      network: input.network,
      gpu: input.gpuModel,
      gpus: input.gpuCount === "0" ? null : input.gpuCount,
      "whole-node": input.node !== "shared",
      "node-network": input.node === "network",
      label: pairs(input.labels),
    }),
  setPrice: (code: string, input: PriceInput) =>
    command(["admin", "price", "set", code, input.rate || "RATE"], {
      currency: input.currency || "CURRENCY",
      "suspended-claim": input.claim === "hours" ? `${input.hours || "HOURS"}h` : input.claim || "CLAIM",
      suspended: input.claim === "none" ? "" : input.suspended,
      disk: input.claim === "always" ? "" : input.disk,
      "effective-at": input.effective.replace(/\.\d+Z$/, "Z"),
    }),
};
