import type { Offer } from "~/api/types";
import { formatMemory } from "~/format/shape";
import { t } from "~/messages";
import { actionNamed } from "~/ui/Button";
import { type Column, DataTable } from "~/ui/DataTable";
import { RateFigure } from "~/ui/figures";
import { Tag } from "~/ui/Tag";
import text from "~/ui/text.module.css";
import css from "./OffersTable.module.css";

const words = t.launch;

type OffersTableProps = { offers: Offer[]; chosen: string | null; onChoose: (id: string) => void };

/** Why an offer cannot be launched now; null if it can. */
export function refusal(offer: Offer): string | null {
  const action = actionNamed(offer.actions, "launch");
  return action === undefined || action.allowed ? null : (action.reason ?? "");
}

/** Whether money is all that a launch lacks, as the server says. */
export function needsFunds({ actions }: Offer): boolean {
  return actions.some(({ name, allowed, code }) => name === "launch" && !allowed && code === "insufficient_funds");
}

export function gpuText({ gpu_model, gpu_count }: Offer["sku"]): string {
  return gpu_count === 0 ? words.noGpu : t.units.gpus(gpu_count, gpu_model ?? words.anyGpu);
}

function ShapeLines({ sku }: { sku: Offer["sku"] }) {
  return (
    <span className={text.nowrap}>
      {t.units.join([t.units.vcpu(sku.vcpu), formatMemory(sku.memory_mib)])}
      <span className={text.cellSub}>{t.units.disk(String(sku.disk_gib))}</span>
    </span>
  );
}

function GpuLines({ sku }: { sku: Offer["sku"] }) {
  return sku.gpu_count === 0 ? <span className={text.faint}>{words.noGpu}</span> : <span className={css.gpu}>{gpuText(sku)}</span>;
}

/** What is on offer, as a table in which one row can be chosen. What is not free is shown, with the reason. */
export function OffersTable({ offers, chosen, onChoose }: OffersTableProps) {
  const columns: Column<Offer>[] = [
    {
      key: "offer",
      header: words.column.offer,
      plain: true,
      cell: (offer) => {
        const id = `offer-${offer.id}`;
        const why = refusal(offer);
        return (
          <span className={css.radio}>
            <input
              type="radio"
              name="offer"
              id={id}
              value={offer.id}
              checked={chosen === offer.id}
              aria-describedby={why === null ? undefined : `${id}-why`}
              onChange={() => onChoose(offer.id)}
            />
            <span>
              <label htmlFor={id}>{offer.sku.name}</label>
              <span className={text.cellSub}>
                <code>{offer.sku.code}</code>
              </span>
              {offer.limits_enforced ? null : (
                <Tag tone="warn">{words.notEnforced}</Tag>
              )}
              {why === null ? null : (
                <span className={text.cellSub} id={`${id}-why`}>
                  {why}
                </span>
              )}
            </span>
          </span>
        );
      },
    },
    { key: "shape", header: words.column.shape, cell: ({ sku }) => <ShapeLines sku={sku} /> },
    { key: "gpu", header: words.column.gpu, cell: ({ sku }) => <GpuLines sku={sku} /> },
    { key: "free", header: words.column.free, numeric: true, narrow: true, cell: ({ available }) => available },
    { key: "rate", header: words.column.rate, numeric: true, narrow: true, cell: ({ price }) => <RateFigure rate={price.per_hour} /> },
  ];
  return (
    <DataTable caption={words.offers} columns={columns} rows={offers} rowKey={({ id }) => id} isSelected={({ id }) => id === chosen} />
  );
}
