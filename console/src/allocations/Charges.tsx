import { useCharges } from "~/api/reads";
import { t } from "~/messages";
import { DataTable } from "~/ui/DataTable";
import { Panel } from "~/ui/Page";
import { Pager, useCursor } from "~/ui/Pager";
import { Freshness, QueryView } from "~/ui/QueryView";
import { chargeColumns } from "./chargeColumns";

const words = t.allocations.charges;
const columns = chargeColumns();

/** Every charge of one allocation, explained. */
export function Charges({ id, live }: { id: string; live: boolean }) {
  const query = useCharges(id, useCursor(), live);
  return (
    <Panel title={words.title} aside={<Freshness query={query} />} flush>
      <QueryView query={query} skeleton="table">
        {({ items, next_cursor }) => (
          <>
            {items.length === 0 ? (
              <p className="panel-note">{words.empty}</p>
            ) : (
              <>
                <p className="panel-note">{words.hint}</p>
                <DataTable caption={words.title} columns={columns} rows={items} rowKey={({ id: key }) => key} />
              </>
            )}
            <Pager next={next_cursor} />
          </>
        )}
      </QueryView>
    </Panel>
  );
}
