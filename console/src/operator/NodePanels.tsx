import type { ReactNode } from "react";
import type { NodeDetail } from "~/api/types";
import { formatMemory } from "~/format/shape";
import { t } from "~/messages";
import { type Column, DataTable } from "~/ui/DataTable";
import { Moment } from "~/ui/figures";
import { AlertIcon, CheckIcon } from "~/ui/icons";
import { Facts as FactList, Panel } from "~/ui/Page";
import { Enforcement } from "./NodeStatus";

const words = t.operator.node;

type Inventory = NonNullable<NodeDetail["inventory"]>;
type Gpu = Inventory["gpus"][number];
type Line = { name: string; claimed: string; all: string };

function lines({ claimed }: NodeDetail, inventory: Inventory): Line[] {
  return [
    { name: words.row.vcpu, claimed: String(claimed.vcpu), all: String(inventory.vcpu) },
    { name: words.row.memory, claimed: formatMemory(claimed.memory_mib), all: formatMemory(inventory.memory_mib) },
    { name: words.row.disk, claimed: t.units.gib(String(claimed.disk_gib)), all: t.units.gib(String(inventory.disk_gib)) },
    { name: words.row.gpus, claimed: String(claimed.gpus), all: String(inventory.gpus.length) },
  ];
}

const capacityColumns: Column<Line>[] = [
  { key: "resource", header: words.column.resource, plain: true, cell: ({ name }) => <span className="cell-main">{name}</span> },
  { key: "claimed", header: words.column.claimed, numeric: true, cell: ({ claimed }) => claimed },
  { key: "all", header: words.column.all, numeric: true, cell: ({ all }) => all },
];

/** What of the node is claimed. */
export function Capacity({ node }: { node: NodeDetail }) {
  return (
    <Panel title={words.capacity} flush>
      {node.inventory === null ? (
        <p className="panel-note">{words.noCapabilities}</p>
      ) : (
        <DataTable caption={words.capacity} columns={capacityColumns} rows={lines(node, node.inventory)} rowKey={({ name }) => name} />
      )}
    </Panel>
  );
}

const gpuColumns: Column<Gpu>[] = [
  { key: "model", header: words.gpuColumn.model, plain: true, cell: ({ model }) => <span className="cell-main">{model}</span> },
  { key: "memory", header: words.gpuColumn.memory, cell: ({ memory_mib }) => formatMemory(memory_mib) },
  { key: "state", header: words.gpuColumn.state, cell: ({ state }) => words.gpuState[state] ?? state },
  { key: "uuid", header: words.gpuColumn.uuid, cell: ({ uuid }) => <code className="break">{uuid}</code> },
];

export function Gpus({ gpus }: { gpus: Gpu[] }) {
  return (
    <Panel title={words.gpus} flush>
      {gpus.length === 0 ? (
        <p className="panel-note">{words.noGpu}</p>
      ) : (
        <DataTable caption={words.gpus} columns={gpuColumns} rows={gpus} rowKey={({ uuid }) => uuid} />
      )}
    </Panel>
  );
}

/** What the node's kernel can enforce, each with what was seen. */
export function Capabilities({ node }: { node: NodeDetail }) {
  return (
    <Panel title={words.capabilities} aside={<Enforcement enforced={node.limits_enforced} />}>
      <p className="field-help">{node.capabilities.length === 0 ? words.noCapabilities : words.capabilitiesHint}</p>
      <ul className="limits">
        {node.capabilities.map(({ name, enforced, detail }) => (
          <li key={name} data-ok={enforced}>
            {enforced ? <CheckIcon /> : <AlertIcon />}
            <span>{words.capability[name] ?? name.replaceAll("_", " ")}</span>
            <span className="small muted">{enforced ? t.operator.nodes.enforced : t.operator.nodes.notEnforced}</span>
            <span className="limit-detail">{detail}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** Address, system, versions and times. */
export function Facts({ node }: { node: NodeDetail }) {
  const labels = Object.entries(node.labels).map(([name, value]) => `${name}=${value}`);
  const rows: [string, ReactNode][] = [[words.address, <code key="address">{`${node.address}:${node.port}`}</code>]];
  if (node.inventory !== null) {
    rows.push([words.os, node.inventory.os], [words.kernel, <code key="kernel">{node.inventory.kernel}</code>]);
  }
  if (node.helper_version !== null) rows.push([words.helper, <code key="helper">{node.helper_version}</code>]);
  rows.push([words.seen, node.last_seen_at === null ? t.operator.nodes.never : <Moment key="seen" at={node.last_seen_at} />]);
  if (node.host_certificate_expires_at !== null) {
    rows.push([words.certificate, <Moment key="certificate" at={node.host_certificate_expires_at} />]);
  }
  if (labels.length > 0) rows.push([words.labels, <code key="labels">{labels.join(" ")}</code>]);
  return (
    <Panel title={t.allocations.details}>
      <FactList rows={rows} />
    </Panel>
  );
}
