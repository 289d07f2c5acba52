import { Link } from "react-router";
import type { NodeDetail } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import { allocationState } from "~/states";
import { Checks } from "~/ui/Checks";
import { type Column, DataTable } from "~/ui/DataTable";
import { Moment } from "~/ui/figures";
import { Panel, PanelNote } from "~/ui/Panel";
import { Tag } from "~/ui/Tag";
import text from "~/ui/text.module.css";

const words = t.operator.life;

type Resident = NodeDetail["residents"][number];

const columns: Column<Resident>[] = [
  { key: "name", header: words.column.name, plain: true, cell: ({ name }) => <span className={text.cellMain}>{name}</span> },
  { key: "state", header: words.column.state, cell: ({ kind, state }) => (kind === "allocation" ? allocationState(state).label : words.left) },
  { key: "need", header: words.column.need, cell: ({ need }) => words.need[need] },
  { key: "gpus", header: words.column.gpus, numeric: true, cell: ({ gpus }) => String(gpus) },
  { key: "id", header: words.column.id, cell: ({ id }) => <code className={text.break}>{id}</code> },
];

/** What lives on the node: what stands in the way of whoever empties it. */
export function Residents({ residents }: { residents: Resident[] }) {
  return (
    <Panel title={words.residents} aside={<Link to={to.operator.allocations()}>{t.operator.allocations.title}</Link>} flush>
      {residents.length === 0 ? (
        <PanelNote>{words.nobody}</PanelNote>
      ) : (
        <DataTable caption={words.residents} columns={columns} rows={residents} rowKey={({ id }) => id} />
      )}
    </Panel>
  );
}

/** What the node's last test of itself found. */
export function SelfTest({ test }: { test: NodeDetail["self_test"] }) {
  if (test === null) return null;
  const verdict = test.passed === null ? words.underWay : test.passed ? words.passed : words.notPassed;
  return (
    <Panel title={words.test} aside={<Tag tone={test.passed === false ? "warn" : undefined}>{verdict}</Tag>}>
      <p className={text.help}>
        {words.askedBy(test.asked_by)} <Moment at={test.asked_at} />
      </p>
      <Checks
        checks={test.checks.map(({ name, passed, detail }) => ({
          key: name,
          ok: passed !== false,
          what: words.check[name] ?? name.replaceAll("_", " "),
          verdict: passed === null ? t.operator.nodes.notEnforced : passed ? words.passed : words.notPassed,
          detail,
        }))}
      />
    </Panel>
  );
}
