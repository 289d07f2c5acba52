import type { ReactNode } from "react";
import type { NodeDetail } from "~/api/types";
import { formatMemory } from "~/format/shape";
import { t } from "~/messages";
import { Checks } from "~/ui/Checks";
import { type Column, DataTable } from "~/ui/DataTable";
import { Facts as FactList } from "~/ui/Facts";
import { Moment } from "~/ui/figures";
import { Notice } from "~/ui/Notice";
import { Panel, PanelNote } from "~/ui/Panel";
import text from "~/ui/text.module.css";
import { Enforcement } from "./Enforcement";
import { shownPlace } from "./place";

const words = t.operator.node;

type Inventory = NonNullable<NodeDetail["inventory"]>;
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
  { key: "resource", header: words.column.resource, plain: true, cell: ({ name }) => <span className={text.cellMain}>{name}</span> },
  { key: "claimed", header: words.column.claimed, numeric: true, cell: ({ claimed }) => claimed },
  { key: "all", header: words.column.all, numeric: true, cell: ({ all }) => all },
];

/** What of the node is claimed. */
export function Capacity({ node }: { node: NodeDetail }) {
  return (
    <Panel title={words.capacity} flush>
      {node.inventory === null ? (
        <PanelNote>{words.noCapabilities}</PanelNote>
      ) : (
        <DataTable caption={words.capacity} columns={capacityColumns} rows={lines(node, node.inventory)} rowKey={({ name }) => name} />
      )}
    </Panel>
  );
}

/** What the node's kernel can enforce, each with what was seen. */
export function Capabilities({ node }: { node: NodeDetail }) {
  return (
    <Panel title={words.capabilities} aside={<Enforcement enforced={node.limits_enforced} />}>
      <p className={text.help}>{node.capabilities.length === 0 ? words.noCapabilities : words.capabilitiesHint}</p>
      <Checks
        checks={node.capabilities.map(({ name, enforced, detail }) => ({
          key: name,
          ok: enforced,
          what: words.capability[name] ?? name.replaceAll("_", " "),
          verdict: enforced ? t.operator.nodes.enforced : t.operator.nodes.notEnforced,
          detail,
        }))}
      />
    </Panel>
  );
}

/** What is on the node and nobody's: a fault to see to. */
export function Strangers({ strangers }: { strangers: NodeDetail["strangers"] }) {
  if (strangers.length === 0) return null;
  return (
    <Notice tone="bad" title={words.strangers}>
      <ul>
        {strangers.map(({ login, uid, since }) => (
          <li key={uid}>
            {words.stranger(login, uid)}, <Moment at={since} />
          </li>
        ))}
      </ul>
    </Notice>
  );
}

/** Address, system, versions and times. */
export function Facts({ node }: { node: NodeDetail }) {
  const labels = Object.entries(node.labels).map(([name, value]) => `${name}=${value}`);
  const rows: [string, ReactNode][] = [[words.address, <code key="address">{shownPlace(node)}</code>]];
  if (node.inventory !== null) {
    rows.push([words.os, node.inventory.os], [words.kernel, <code key="kernel">{node.inventory.kernel}</code>]);
  }
  if (node.helper_version !== null) rows.push([words.helper, <code key="helper">{node.helper_version}</code>]);
  rows.push([words.seen, node.last_seen_at === null ? t.operator.nodes.never : <Moment key="seen" at={node.last_seen_at} />]);
  if (node.host_certificate_expires_at !== null) {
    rows.push([words.certificate, <Moment key="certificate" at={node.host_certificate_expires_at} />]);
  }
  rows.push([words.ports, node.ports === null ? words.noPorts : <code key="ports">{`${node.ports.first}-${node.ports.last}`}</code>]);
  if (labels.length > 0) rows.push([words.labels, <code key="labels">{labels.join(" ")}</code>]);
  return (
    <Panel title={t.allocations.details}>
      <FactList rows={rows} />
    </Panel>
  );
}
