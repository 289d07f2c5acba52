import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { chargeColumns } from "~/allocations/chargeColumns";
import { usageQuery } from "~/api/queries";
import type { UsageCharge } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import type { Column } from "~/ui/DataTable";
import { ListView } from "~/ui/List";
import { useCursor } from "~/ui/Pager";

const words = t.billing.charges;

const columns: Column<UsageCharge>[] = [
  {
    key: "subject",
    header: words.column.subject,
    cell: ({ subject_id, subject_name }) => <Link to={to.allocation(subject_id)}>{subject_name}</Link>,
  },
  ...chargeColumns<UsageCharge>(),
];

/** Every charge of the organization: rate × seconds = amount. */
export function ChargesExplained() {
  const query = useQuery(usageQuery({ cursor: useCursor() }));
  return <ListView query={query} caption={words.caption} columns={columns} rowKey={({ id }) => id} note={t.allocations.charges.hint} empty={words.empty} />;
}
