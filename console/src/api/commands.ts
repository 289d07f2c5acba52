/**
 * What pages do: each a request that changes something, bound to what is no longer true after it. Whatever creates takes
 * the key of its intent, so that a repeat is answered, not repeated.
 */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { MaybeOptionalInit } from "openapi-fetch";
import type { PathsWithMethod, SuccessResponseJSON } from "openapi-typescript-helpers";
import { useRef } from "react";
import { body, http } from "./client";
import type { paths } from "./schema";
import { type Read, refresh, STALE_AFTER } from "./stale";
import type { AdjustmentBody, ApiTokenBody, AutoTopUpBody, CardSetupBody, EmailConfirmation, EvidenceBody, GrantBody, LaunchBody, LoginBody, NodeBody, NodeChange, NoticeSwitch, PortBody, PriceBody, PromoCodeBody, RedeemBody, RefundBody, RefundRequestBody, SignUpBody, SkuBody, SpendingLimitBody, SshKeyBody, TermsBody, TopUpBody } from "./types";

type Known = keyof typeof STALE_AFTER;
type Method = Known extends `${infer M} ${string}` ? M : never;
/** The routes of a method of which `STALE_AFTER` says what follows. */
type Route<M extends Method> = Extract<Known, `${M} ${string}`> extends `${M} ${infer P extends PathsWithMethod<paths, M>}` ? P : never;

export type Command<Input, Output> = { run: (input: Input) => Promise<Output>; stale: readonly Read[] };

type AnswerOf<M extends Method, P extends Route<M>> = SuccessResponseJSON<paths[P][M] & Record<string | number, unknown>>;

function command<M extends Method, P extends Route<M>, Input>(
  method: M,
  path: P,
  request: (input: Input) => MaybeOptionalInit<paths[P], M>,
): Command<Input, AnswerOf<M, P>> {
  const send = http.request as (method: M, path: P, init: unknown) => Promise<{ data?: AnswerOf<M, P> }>;
  return {
    run: async (input) => body(await send(method, path, request(input))),
    stale: STALE_AFTER[`${method} ${path}` as Known],
  };
}

type Keyed<Body> = { key: string; body: Body };

const keyed = <Body>({ key, body: sent }: Keyed<Body>) => ({ body: sent, headers: { "Idempotency-Key": key } });
const plain = <Body>(sent: Body) => ({ body: sent });
const allocation = (id: string) => ({ params: { path: { id_or_name: id } } });
const node = (id: string) => ({ params: { path: { node_id: id } } });

export const signUp = command("post", "/api/v1/auth/signup", plain<SignUpBody>);
export const signIn = command("post", "/api/v1/auth/login", plain<LoginBody>);
export const acceptTerms = command("post", "/api/v1/me/terms", plain<TermsBody>);
export const signOut = command("post", "/api/v1/auth/logout", () => ({}));
export const endSession = command("delete", "/api/v1/auth/sessions/{session_id}", (id: string) => ({ params: { path: { session_id: id } } }));

export const readNotice = command("post", "/api/v1/notices/{notice_id}/read", (id: string) => ({ params: { path: { notice_id: id } } }));
export const readAllNotices = command("post", "/api/v1/notices/read", (newest: string) => ({ body: { up_to: newest } }));
export const switchNotice = command("patch", "/api/v1/notices/preferences", plain<NoticeSwitch>);
export const askVerification = command("post", "/api/v1/me/email/verifications", ({ key }: { key: string }) => ({ headers: { "Idempotency-Key": key } }));
export const confirmEmail = command("post", "/api/v1/me/email/confirmation", plain<EmailConfirmation>);

export const launch = command("post", "/api/v1/allocations", keyed<LaunchBody>);
export const changeLabels = command("patch", "/api/v1/allocations/{id_or_name}", ({ id, labels }: { id: string; labels: Record<string, string | null> }) => ({
  ...allocation(id),
  body: { labels },
}));
export const release = command("post", "/api/v1/allocations/{id_or_name}/release", allocation);
export const suspend = command("post", "/api/v1/allocations/{id_or_name}/suspend", allocation);
export const resume = command("post", "/api/v1/allocations/{id_or_name}/resume", allocation);

export const restartElsewhere = command("post", "/api/v1/allocations/{id_or_name}/restart-elsewhere", ({ key, id, price_id }: { key: string; id: string; price_id: string }) => ({
  ...allocation(id),
  body: { price_id },
  headers: { "Idempotency-Key": key },
}));
export const publishPort = command("post", "/api/v1/allocations/{id_or_name}/ports", ({ id, ...asked }: Keyed<PortBody> & { id: string }) => ({
  ...allocation(id),
  ...keyed(asked),
}));
export const withdrawPort = command("delete", "/api/v1/allocations/{id_or_name}/ports/{port_id}", ({ id, port }: { id: string; port: string }) => ({
  params: { path: { id_or_name: id, port_id: port } },
}));

export const topUp = command("post", "/api/v1/top-ups", keyed<TopUpBody>);
export const confirmTopUp = command("post", "/api/v1/top-ups/{top_up_id}/confirm", (id: string) => ({ params: { path: { top_up_id: id } } }));

export const requestRefund = command("post", "/api/v1/refund-requests", keyed<RefundRequestBody>);
export const withdrawRefundRequest = command("post", "/api/v1/refund-requests/{refund_request_id}/withdraw", (id: string) => ({
  params: { path: { refund_request_id: id } },
}));

const card = (id: string) => ({ params: { path: { card_id: id } } });
export const addCard = command("post", "/api/v1/payment-methods", keyed<CardSetupBody>);
export const makeCardDefault = command("post", "/api/v1/payment-methods/{card_id}/default", card);
export const removeCard = command("delete", "/api/v1/payment-methods/{card_id}", card);
export const setAutoTopUp = command("patch", "/api/v1/auto-top-up", plain<AutoTopUpBody>);
export const turnOffAutoTopUp = command("delete", "/api/v1/auto-top-up", () => ({}));
export const setSpendingLimit = command("patch", "/api/v1/spending-limits/{limit_id}", ({ id, body: asked }: { id: string; body: SpendingLimitBody }) => ({
  params: { path: { limit_id: id } },
  body: asked,
}));
export const clearSpendingLimit = command("delete", "/api/v1/spending-limits/{limit_id}", ({ id, currency }: { id: string; currency: string }) => ({
  params: { path: { limit_id: id }, query: { currency } },
}));
export const redeemCode = command("post", "/api/v1/promo-codes/redeem", keyed<RedeemBody>);

export const addSshKey = command("post", "/api/v1/ssh-keys", keyed<SshKeyBody>);
export const removeSshKey = command("delete", "/api/v1/ssh-keys/{key_id}", (id: string) => ({ params: { path: { key_id: id } } }));
export const createApiToken = command("post", "/api/v1/api-tokens", keyed<ApiTokenBody>);
export const revokeApiToken = command("delete", "/api/v1/api-tokens/{token_id}", (id: string) => ({ params: { path: { token_id: id } } }));

export const addNode = command("post", "/api/v1/admin/nodes", keyed<NodeBody>);
export const changeNode = command("patch", "/api/v1/admin/nodes/{node_id}", ({ id, body: changed }: { id: string; body: NodeChange }) => ({ ...node(id), body: changed }));
export const removeNode = command("delete", "/api/v1/admin/nodes/{node_id}", node);
export const cordon = command("post", "/api/v1/admin/nodes/{node_id}/cordon", node);
export const uncordon = command("post", "/api/v1/admin/nodes/{node_id}/uncordon", node);
export const newJoin = command("post", "/api/v1/admin/nodes/{node_id}/join-token", ({ key, id }: { key: string; id: string }) => ({
  ...node(id),
  headers: { "Idempotency-Key": key },
}));
type OnNode = { id: string; reason: string; deadline: number; credit: number };
const because = ({ id, reason }: OnNode) => ({ ...node(id), body: { reason } });
export const drainNode = command("post", "/api/v1/admin/nodes/{node_id}/drain", ({ id, reason, deadline, credit }: OnNode) => ({
  ...node(id),
  body: { reason, deadline_seconds: deadline, credit_seconds: credit },
}));
export const stopDrain = command("post", "/api/v1/admin/nodes/{node_id}/stop-drain", because);
export const maintainNode = command("post", "/api/v1/admin/nodes/{node_id}/maintenance", because);
export const quarantineNode = command("post", "/api/v1/admin/nodes/{node_id}/quarantine", because);
export const selfTest = command("post", "/api/v1/admin/nodes/{node_id}/self-test", ({ id }: OnNode) => node(id));
export const putBack = command("post", "/api/v1/admin/nodes/{node_id}/put-back", because);
export const retireNode = command("post", "/api/v1/admin/nodes/{node_id}/retire", because);
export const forceRelease = command("post", "/api/v1/admin/nodes/{node_id}/force-release", ({ id, reason, credit }: OnNode) => ({
  ...node(id),
  body: { reason, credit_seconds: credit },
}));
const onGpu = ({ id, gpu, reason }: { id: string; gpu: string; reason: string }) => ({ params: { path: { node_id: id, gpu_uuid: gpu } }, body: { reason } });
export const clearGpu = command("post", "/api/v1/admin/nodes/{node_id}/gpus/{gpu_uuid}/clear", onGpu);
export const quarantineGpu = command("post", "/api/v1/admin/nodes/{node_id}/gpus/{gpu_uuid}/quarantine", onGpu);

type Range = { first: number; last: number } | null;
export const setPorts = command("post", "/api/v1/admin/nodes/{node_id}/ports", ({ id, range }: { id: string; range: Range }) => ({ ...node(id), body: { range } }));

export const startRollout = command("post", "/api/v1/admin/helper-rollouts", ({ key, canary }: { key: string; canary: string }) => keyed({ key, body: { canary } }));
export const stopRollout = command("post", "/api/v1/admin/helper-rollouts/{rollout_id}/stop", ({ id, reason }: { id: string; reason: string }) => ({
  params: { path: { rollout_id: id } },
  body: { reason },
}));
const decided = ({ id, reason }: { id: string; reason: string }) => ({ params: { path: { approval_id: id } }, body: { reason } });
export const approveAct = command("post", "/api/v1/admin/approvals/{approval_id}/approve", decided);
export const rejectAct = command("post", "/api/v1/admin/approvals/{approval_id}/reject", decided);

export const createSku = command("post", "/api/v1/admin/skus", keyed<SkuBody>);
export const setSkuActive = command("patch", "/api/v1/admin/skus/{sku_id}", ({ id, active }: { id: string; active: boolean }) => ({
  params: { path: { sku_id: id } },
  body: { active },
}));
export const createPrice = command("post", "/api/v1/admin/prices", keyed<PriceBody>);

const onRequest = ({ id, decision }: { id: string; decision: string }) => ({ params: { path: { request_id: id } }, body: { decision } });
export const grantRefundRequest = command("post", "/api/v1/admin/refund-requests/{request_id}/grant", onRequest);
export const declineRefundRequest = command("post", "/api/v1/admin/refund-requests/{request_id}/decline", onRequest);
export const createRefund = command("post", "/api/v1/admin/refunds", keyed<RefundBody>);
export const createAdjustment = command("post", "/api/v1/admin/adjustments", keyed<AdjustmentBody>);
export const grantCredit = command("post", "/api/v1/admin/credits", keyed<GrantBody>);
export const createPromoCode = command("post", "/api/v1/admin/promo-codes", keyed<PromoCodeBody>);
export const endPromoCode = command("post", "/api/v1/admin/promo-codes/{promo_code_id}/end", (id: string) => ({ params: { path: { promo_code_id: id } } }));
export const closeMonth = command("post", "/api/v1/admin/months/{month}/close", (month: string) => ({ params: { path: { month } } }));
export const assignFinding = command("post", "/api/v1/admin/findings/{finding_id}/assign", ({ id, owner }: { id: string; owner: string | null }) => ({
  params: { path: { finding_id: id } },
  body: { owner_id: owner },
}));
export const resolveFinding = command("post", "/api/v1/admin/findings/{finding_id}/resolve", ({ id, reason }: { id: string; reason: string }) => ({
  params: { path: { finding_id: id } },
  body: { reason },
}));

type Options<Input, Output> = { gcTime?: number; onSuccess?: (output: Output, input: Input) => void; onError?: (error: unknown) => void };

/**
 * Does a command. It is pending until what it made stale has been asked again, so that a page shows what followed when
 * it says that it is done; `onSuccess` is called before that, what is given to `mutate` after it. While it is pending,
 * `mutate` does nothing: a double click comes before the button has been shown as pending.
 */
export function useCommand<Input, Output>({ run, stale }: Command<Input, Output>, { gcTime, onSuccess, onError }: Options<Input, Output> = {}) {
  const client = useQueryClient();
  const underWay = useRef(false);
  const mutation = useMutation<Output, unknown, Input>({
    ...(gcTime === undefined ? {} : { gcTime }),
    mutationFn: run,
    onSuccess: (output, input) => {
      onSuccess?.(output, input);
      return refresh(client, stale);
    },
    ...(onError === undefined ? {} : { onError }),
    onSettled: () => {
      underWay.current = false;
    },
  });
  const mutate: typeof mutation.mutate = (...asked) => {
    if (underWay.current) return;
    underWay.current = true;
    mutation.mutate(...asked);
  };
  return { ...mutation, mutate };
}
export const answerDispute = command("post", "/api/v1/admin/disputes/{dispute_id}/evidence", ({ id, ...asked }: Keyed<EvidenceBody> & { id: string }) => ({
  params: { path: { dispute_id: id } },
  ...keyed(asked),
}));
