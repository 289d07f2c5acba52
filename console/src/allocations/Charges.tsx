import { useCharges } from "~/api/reads";
import { t } from "~/messages";
import { ListPanel } from "~/ui/List";
import { useCursor } from "~/ui/Pager";
import { chargeColumns } from "./chargeColumns";

const words = t.allocations.charges;
const columns = chargeColumns();

/** Every charge of one allocation, explained. */
export function Charges({ id, live }: { id: string; live: boolean }) {
  const query = useCharges(id, useCursor(), live);
  return (
    <ListPanel title={words.title} query={query} caption={words.title} columns={columns} rowKey={({ id: key }) => key} note={words.hint} empty={words.empty} />
  );
}
