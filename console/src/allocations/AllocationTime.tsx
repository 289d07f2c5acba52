import type { AllocationSummary } from "~/api/types";
import { formatMoment, formatSpan } from "~/format/time";
import { useNow } from "~/format/useNow";
import { t } from "~/messages";
import { allocationState, warningOf } from "~/states";
import { TimeBar } from "~/ui/figures";
import css from "./AllocationTime.module.css";

function barTone({ state, funds }: Pick<AllocationSummary, "state" | "funds">): "warn" | "bad" | "quiet" | undefined {
  if (allocationState(state).stands) return "quiet";
  return funds.warning === null ? undefined : warningOf(funds.warning).tone;
}

export function AllocationTimeBar({ allocation }: { allocation: AllocationSummary }) {
  const { delivered_seconds: elapsed, funds } = allocation;
  return <TimeBar elapsed={elapsed} paid={funds.runway_seconds} tone={barTone(allocation)} />;
}

/** The time bar with its two figures in words. */
export function AllocationTime({ allocation }: { allocation: AllocationSummary }) {
  const now = useNow();
  const { delivered_seconds: elapsed, funds, started_at } = allocation;
  const words =
    started_at === null
      ? t.allocations.notStarted
      : funds.runway_seconds === null
        ? t.allocations.ran(formatSpan(elapsed))
        : t.allocations.ranAndLeft(formatSpan(elapsed), formatSpan(funds.runway_seconds));
  return (
    <span className={css.cell}>
      <AllocationTimeBar allocation={allocation} />
      <span>{words}</span>
      {funds.data_kept_until === null ? null : <strong className={css.deleted}>{t.allocations.deletedAt(formatMoment(funds.data_kept_until, now))}</strong>}
    </span>
  );
}
