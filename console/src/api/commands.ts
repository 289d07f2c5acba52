/** What pages do. Everything that creates takes the key of its intent, so that a repeat is answered, not repeated. */
import { body, http } from "./client";
import type { ApiTokenBody, LaunchBody, LoginBody, NodeBody, PriceBody, SignUpBody, SkuBody, SshKeyBody, TopUpBody } from "./types";

const keyed = (key: string) => ({ "Idempotency-Key": key });

export const signUp = async (input: SignUpBody) => body(await http.POST("/api/v1/auth/signup", { body: input }));
export const signIn = async (input: LoginBody) => body(await http.POST("/api/v1/auth/login", { body: input }));
export const signOut = async () => void (await http.POST("/api/v1/auth/logout"));

export const launch = async (key: string, input: LaunchBody) =>
  body(await http.POST("/api/v1/allocations", { body: input, headers: keyed(key) }));

const named = (id: string) => ({ params: { path: { id_or_name: id } } });
export const release = async (id: string) => body(await http.POST("/api/v1/allocations/{id_or_name}/release", named(id)));
export const suspend = async (id: string) => body(await http.POST("/api/v1/allocations/{id_or_name}/suspend", named(id)));
export const resume = async (id: string) => body(await http.POST("/api/v1/allocations/{id_or_name}/resume", named(id)));

export const topUp = async (key: string, input: TopUpBody) =>
  body(await http.POST("/api/v1/top-ups", { body: input, headers: keyed(key) }));

export const addSshKey = async (key: string, input: SshKeyBody) =>
  body(await http.POST("/api/v1/ssh-keys", { body: input, headers: keyed(key) }));
export const removeSshKey = async (id: string) =>
  void (await http.DELETE("/api/v1/ssh-keys/{key_id}", { params: { path: { key_id: id } } }));

export const createApiToken = async (key: string, input: ApiTokenBody) =>
  body(await http.POST("/api/v1/api-tokens", { body: input, headers: keyed(key) }));
export const revokeApiToken = async (id: string) =>
  void (await http.DELETE("/api/v1/api-tokens/{token_id}", { params: { path: { token_id: id } } }));

export const endSession = async (id: string) =>
  void (await http.DELETE("/api/v1/auth/sessions/{session_id}", { params: { path: { session_id: id } } }));

export const addNode = async (key: string, input: NodeBody) =>
  body(await http.POST("/api/v1/admin/nodes", { body: input, headers: keyed(key) }));
const node = (id: string) => ({ params: { path: { node_id: id } } });
export const cordon = async (id: string) => body(await http.POST("/api/v1/admin/nodes/{node_id}/cordon", node(id)));
export const uncordon = async (id: string) => body(await http.POST("/api/v1/admin/nodes/{node_id}/uncordon", node(id)));
export const clearGpu = async (id: string, gpu: string, reason: string) =>
  body(await http.POST("/api/v1/admin/nodes/{node_id}/gpus/{gpu_uuid}/clear", { params: { path: { node_id: id, gpu_uuid: gpu } }, body: { reason } }));
export const newJoin = async (key: string, id: string) =>
  body(await http.POST("/api/v1/admin/nodes/{node_id}/join-token", { ...node(id), headers: keyed(key) }));

export const createSku = async (key: string, input: SkuBody) =>
  body(await http.POST("/api/v1/admin/skus", { body: input, headers: keyed(key) }));
export const setSkuActive = async (id: string, active: boolean) =>
  body(await http.PATCH("/api/v1/admin/skus/{sku_id}", { params: { path: { sku_id: id } }, body: { active } }));
export const createPrice = async (key: string, input: PriceBody) =>
  body(await http.POST("/api/v1/admin/prices", { body: input, headers: keyed(key) }));
