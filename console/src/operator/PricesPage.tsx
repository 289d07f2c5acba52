import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useParams } from "react-router";
import { pricesQuery, skuQuery } from "~/api/queries";
import type { Price } from "~/api/types";
import { formatFull } from "~/format/time";
import { placeKept } from "~/launch/suspension";
import { t } from "~/messages";
import { to } from "~/paths";
import { priceStanding } from "~/states";
import { ActionButton, actionNamed } from "~/ui/Button";
import type { Column } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { Moment, RateFigure } from "~/ui/figures";
import { ListPage } from "~/ui/List";
import { useCursor } from "~/ui/Pager";
import { Status } from "~/ui/Status";
import { PriceForm } from "./PriceForm";

const words = t.operator.prices;

const columns: Column<Price>[] = [
  { key: "state", header: words.column.state, narrow: true, cell: ({ standing }) => <Status look={priceStanding(standing)} /> },
  {
    key: "effective",
    header: words.column.effective,
    cell: ({ effective_at }) => (
      <span title={formatFull(effective_at)}>
        <Moment at={effective_at} />
      </span>
    ),
  },
  { key: "rate", header: words.column.rate, numeric: true, cell: ({ per_hour }) => <RateFigure rate={per_hour} /> },
  { key: "suspended", header: words.column.suspended, numeric: true, cell: ({ suspended_per_hour }) => <RateFigure rate={suspended_per_hour} /> },
  { key: "place", header: words.column.place, cell: placeKept },
  { key: "disk", header: words.column.disk, numeric: true, cell: ({ disk_per_hour }) => (disk_per_hour === null ? null : <RateFigure rate={disk_per_hour} />) },
  { key: "id", header: words.column.id, cell: ({ id }) => <code>{id}</code> },
];

/** The prices of one SKU: every version, when each took or takes effect. */
export function PricesPage() {
  const { id = "" } = useParams();
  const { data: sku } = useQuery(skuQuery(id));
  const query = useQuery(pricesQuery(id, { cursor: useCursor() }));
  const [creating, setCreating] = useState(false);
  const code = sku?.code ?? id;
  return (
    <ListPage
      title={words.title(code)}
      crumb={<Link to={to.operator.skus()}>{words.back}</Link>}
      query={query}
      action={
        <ActionButton action={actionNamed(sku?.actions ?? [], "set_price")} variant="primary" onPress={() => setCreating(true)}>
          {words.create}
        </ActionButton>
      }
      caption={words.title(code)}
      columns={columns}
      rowKey={({ id: key }) => key}
      empty={words.empty}
    >
      {creating ? (
        <Dialog title={words.create} onClose={() => setCreating(false)}>
          <PriceForm sku={{ id, code }} onClose={() => setCreating(false)} />
        </Dialog>
      ) : null}
    </ListPage>
  );
}
