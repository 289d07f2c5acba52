/** What a node is called and where it answers, as forms take it. */
import * as z from "zod/mini";
import { t } from "~/messages";

const words = t.operator.addNode;
const LAST_PORT = 65_535;

export const place = z.object({
  name: z.string().check(z.trim(), z.regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, words.nameInvalid)),
  address: z.string().check(z.trim(), z.regex(/^[\w.:[\]-]+$/, words.addressInvalid)),
  port: z.string().check(z.refine((port) => /^\d+$/.test(port) && Number(port) > 0 && Number(port) <= LAST_PORT, words.portInvalid)),
});

/** Address and port in one word. */
export function shownPlace({ address, port }: { address: string; port: number }): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
