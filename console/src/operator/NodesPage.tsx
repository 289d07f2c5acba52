import { Link } from "react-router";
import { useNodes } from "~/api/reads";
import type { Action, Node } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import { nodeState } from "~/states";
import { ActionButton, actionNamed, LinkButton } from "~/ui/Button";
import type { Column } from "~/ui/DataTable";
import { Moment } from "~/ui/figures";
import { ListPage } from "~/ui/List";
import { useCursor } from "~/ui/Pager";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import { Enforcement } from "./Enforcement";

const words = t.operator.nodes;

function claimed({ inventory, claimed: used }: Node): string {
  if (inventory === null) return t.units.none;
  const gpus = inventory.gpus.length > 0 ? [words.gpu(used.gpus, inventory.gpus.length)] : [];
  return t.units.join([words.cpu(used.vcpu, inventory.vcpu), ...gpus]);
}

const columns: Column<Node>[] = [
  {
    key: "name",
    header: words.column.name,
    plain: true,
    cell: ({ id, name }) => (
      <Link className={text.cellMain} to={to.operator.node(id)}>
        {name}
      </Link>
    ),
  },
  { key: "state", header: words.column.state, narrow: true, cell: ({ state }) => <Status look={nodeState(state)} /> },
  { key: "address", header: words.column.address, cell: ({ address, port }) => <code>{`${address}:${port}`}</code> },
  { key: "limits", header: words.column.limits, cell: ({ limits_enforced }) => <Enforcement enforced={limits_enforced} /> },
  { key: "capacity", header: words.column.capacity, cell: (node) => <span className={text.figures}>{claimed(node)}</span> },
  {
    key: "seen",
    header: words.column.seen,
    cell: ({ last_seen_at }) => (last_seen_at === null ? <span className={text.faint}>{words.never}</span> : <Moment at={last_seen_at} />),
  },
];

/** A way to the page that adds a node, or why the caller may not. */
function Add({ action }: { action: Action | undefined }) {
  if (action?.allowed)
    return (
      <LinkButton variant="primary" to={to.operator.addNode()}>
        {words.add}
      </LinkButton>
    );
  return (
    <ActionButton action={action} variant="primary">
      {words.add}
    </ActionButton>
  );
}

export function NodesPage() {
  const query = useNodes(useCursor());
  return (
    <ListPage
      title={words.title}
      query={query}
      action={<Add action={actionNamed(query.data?.actions ?? [], "add")} />}
      caption={words.table}
      columns={columns}
      rowKey={({ id }) => id}
      empty={words.empty}
    />
  );
}
