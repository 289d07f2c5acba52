import { useState } from "react";
import { Link, useParams } from "react-router";
import { useAdminSkus, usePrices } from "~/api/queries";
import type { Price } from "~/api/types";
import { formatFull } from "~/format/time";
import { useNow } from "~/format/useNow";
import { t } from "~/messages";
import { to } from "~/paths";
import { Button } from "~/ui/Button";
import { type Column, DataTable } from "~/ui/DataTable";
import { FormDialog } from "~/ui/FormDialog";
import { Moment, RateFigure } from "~/ui/figures";
import { Empty } from "~/ui/Notice";
import { Page, Panel } from "~/ui/Page";
import { Pager, useCursor } from "~/ui/Pager";
import { Freshness, QueryView } from "~/ui/QueryView";
import { Status } from "~/ui/Status";
import { PriceForm } from "./PriceForm";
import { priceState } from "./priceState";

const words = t.operator.prices;

const STATES = {
  current: ["ok", "disc", words.current],
  future: ["busy", "dashes", words.future],
  past: ["quiet", "square", words.past],
} as const;

function PriceStatus({ price, prices }: { price: Price; prices: Price[] }) {
  const [tone, shape, word] = STATES[priceState(price, prices, useNow())];
  return (
    <Status tone={tone} shape={shape}>
      {word}
    </Status>
  );
}

const columnsOf = (prices: Price[]): Column<Price>[] => [
  { key: "state", header: words.column.state, narrow: true, cell: (price) => <PriceStatus price={price} prices={prices} /> },
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
  { key: "id", header: words.column.id, cell: ({ id }) => <code>{id}</code> },
];

/** The prices of one SKU: every version, when each took or takes effect. */
export function PricesPage() {
  const { id = "" } = useParams();
  const skus = useAdminSkus({ cursor: null });
  const query = usePrices(id, { cursor: useCursor() });
  const newest = usePrices(id, { cursor: null });
  const [creating, setCreating] = useState(false);
  const code = skus.data?.items.find((sku) => sku.id === id)?.code ?? id;
  return (
    <Page
      name={words.title(code)}
      title={words.title(code)}
      crumb={<Link to={to.operator.skus()}>{words.back}</Link>}
      actions={
        <>
          <Freshness query={query} />
          <Button variant="primary" onPress={() => setCreating(true)}>
            {words.create}
          </Button>
        </>
      }
    >
      <QueryView query={query} skeleton="table">
        {({ items, next_cursor }) => (
          <Panel flush>
            {items.length === 0 ? (
              <Empty title={words.empty.title} detail={words.empty.detail} />
            ) : (
              <DataTable caption={words.title(code)} columns={columnsOf([...(newest.data?.items ?? []), ...items])} rows={items} rowKey={({ id: key }) => key} />
            )}
            <Pager next={next_cursor} />
          </Panel>
        )}
      </QueryView>
      {creating ? (
        <FormDialog title={words.create} onClose={() => setCreating(false)}>
          <PriceForm
            sku={{ id, code }}
            onCancel={() => setCreating(false)}
            onDone={() => {
              setCreating(false);
              void query.refetch();
            }}
          />
        </FormDialog>
      ) : null}
    </Page>
  );
}
