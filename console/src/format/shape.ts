import { t } from "~/messages";

type Shape = { vcpu: number; memory_mib: number; disk_gib: number };

/** Memory in GiB, with one decimal only where it is needed. */
export function formatMemory(mib: number): string {
  const gib = mib / 1024;
  return t.units.gib(Number.isInteger(gib) ? String(gib) : gib.toFixed(1));
}

/** "4 vCPU · 8 GiB · 40 GiB disk" without the words that the column already has. */
export function formatShape({ vcpu, memory_mib, disk_gib }: Shape): string {
  return t.units.join([t.units.vcpu(vcpu), formatMemory(memory_mib), t.units.disk(String(disk_gib))]);
}
