import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { setSkuActive, useCommand } from "~/api/commands";
import { skusQuery } from "~/api/queries";
import type { Sku } from "~/api/types";
import { formatShape } from "~/format/shape";
import { gpuText } from "~/launch/OffersTable";
import { t } from "~/messages";
import { to } from "~/paths";
import { SKU_LOOKS } from "~/states";
import { ActionButton, actionNamed, LinkButton } from "~/ui/Button";
import { Confirm } from "~/ui/Confirm";
import type { Column } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { RateFigure } from "~/ui/figures";
import layout from "~/ui/layout.module.css";
import { ListPage } from "~/ui/List";
import { ErrorNotice } from "~/ui/Notice";
import { useCursor } from "~/ui/Pager";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import { SkuForm } from "./SkuForm";

const words = t.operator.skus;

function PriceNow({ price }: Pick<Sku, "price">) {
  return price === null ? <span className={text.faint}>{words.noPrice}</span> : <RateFigure rate={price.per_hour} />;
}

function Switch({ sku }: { sku: Sku }) {
  const [asking, setAsking] = useState(false);
  const activating = useCommand(setSkuActive);
  return (
    <span className={layout.cluster} data-tight>
      <LinkButton size="small" to={to.operator.prices(sku.id)} aria-label={words.pricesLabel(sku.code)}>
        {words.prices}
      </LinkButton>
      {sku.active ? (
        <ActionButton action={actionNamed(sku.actions, "deactivate")} hideReason size="small" aria-label={words.deactivateLabel(sku.code)} onPress={() => setAsking(true)}>
          {words.deactivate}
        </ActionButton>
      ) : (
        <ActionButton
          action={actionNamed(sku.actions, "activate")}
          hideReason
          size="small"
          aria-label={words.activateLabel(sku.code)}
          isPending={activating.isPending}
          onPress={() => activating.mutate({ id: sku.id, active: true })}
        >
          {words.activate}
        </ActionButton>
      )}
      {activating.isError ? <ErrorNotice error={activating.error} /> : null}
      {asking ? (
        <Confirm
          title={words.deactivateTitle(sku.code)}
          consequences={words.deactivateConsequences}
          confirm={words.deactivate}
          command={setSkuActive}
          input={{ id: sku.id, active: false }}
          onClose={() => setAsking(false)}
        />
      ) : null}
    </span>
  );
}

const columns: Column<Sku>[] = [
  {
    key: "name",
    header: words.column.name,
    plain: true,
    cell: ({ name, code }) => (
      <span>
        <span className={text.cellMain}>{name}</span>
        <span className={text.cellSub}>
          <code>{code}</code>
        </span>
      </span>
    ),
  },
  {
    key: "state",
    header: words.column.state,
    narrow: true,
    cell: ({ active }) => <Status look={SKU_LOOKS[active ? "active" : "inactive"]} />,
  },
  { key: "shape", header: words.column.shape, cell: (sku) => formatShape(sku) },
  { key: "gpu", header: words.column.gpu, cell: (sku) => gpuText(sku) },
  { key: "price", header: words.column.price, numeric: true, cell: ({ price }) => <PriceNow price={price} /> },
  { key: "act", header: words.column.act, narrow: true, cell: (sku) => <Switch sku={sku} /> },
];

export function SkusPage() {
  const query = useQuery(skusQuery({ cursor: useCursor() }));
  const [creating, setCreating] = useState(false);
  const navigate = useNavigate();
  return (
    <ListPage
      title={words.title}
      query={query}
      action={
        <ActionButton action={actionNamed(query.data?.actions ?? [], "create")} variant="primary" onPress={() => setCreating(true)}>
          {words.create}
        </ActionButton>
      }
      caption={words.table}
      columns={columns}
      rowKey={({ id }) => id}
      empty={words.empty}
    >
      {creating ? (
        <Dialog title={t.operator.skuForm.title} onClose={() => setCreating(false)}>
          <SkuForm onCancel={() => setCreating(false)} onDone={(id) => void navigate(to.operator.prices(id))} />
        </Dialog>
      ) : null}
    </ListPage>
  );
}
