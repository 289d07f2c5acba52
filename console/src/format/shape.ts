import { t } from "~/messages";

type Shape = { vcpu: number; memory_mib: number; disk_gib: number; network_mbit?: number | null; whole_node?: boolean; node_network?: boolean };

/** Memory in GiB, with one decimal only where it is needed. */
export function formatMemory(mib: number): string {
  const gib = mib / 1024;
  return t.units.gib(Number.isInteger(gib) ? String(gib) : gib.toFixed(1));
}

/** "4 vCPU · 8 GiB · 40 GiB disk" without the words that the column already has. */
export function formatShape({ vcpu, memory_mib, disk_gib, network_mbit, whole_node, node_network }: Shape): string {
  return t.units.join([
    t.units.vcpu(vcpu),
    formatMemory(memory_mib),
    t.units.disk(String(disk_gib)),
    ...(network_mbit ? [t.units.mbit(network_mbit)] : []),
    ...(whole_node ? [t.units.wholeNode] : []),
    ...(node_network ? [t.units.nodeNetwork] : []),
  ]);
}

/** Bytes, to a tenth of the largest unit that they fill. */
export function formatBytes(bytes: number): string {
  const steps = Math.min(Math.max(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), 0), t.units.bytes.length - 1);
  const value = Math.round((bytes / 1024 ** steps) * 10) / 10;
  return `${value} ${t.units.bytes[steps]}`;
}
