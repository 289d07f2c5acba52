import type { ReactNode } from "react";
import type { Allocation } from "~/api/types";
import { isNothing } from "~/format/money";
import { formatClock, formatSpan } from "~/format/time";
import { t } from "~/messages";
import { allocationState } from "~/states";
import { Facts } from "~/ui/Facts";
import { Figure } from "~/ui/Figure";
import { ExactAmount, Amount, Moment, RateFigure } from "~/ui/figures";
import { Panel } from "~/ui/Panel";
import text from "~/ui/text.module.css";
import { AllocationTimeBar } from "./AllocationTime";

const words = t.allocations.cost;

/** What it has cost until now, as the server reckons it. */
export function Cost({ allocation }: { allocation: Allocation }) {
  const { state, price, cost, funds, delivered_seconds, started_at, ended_at } = allocation;
  const rows: [string, ReactNode][] = [
    allocationState(state).runsUp
      ? [words.rate, <RateFigure key="rate" rate={cost.rate} />]
      : [words.launchedAt, <RateFigure key="rate" rate={price.per_hour} />],
    [words.delivered, formatSpan(delivered_seconds)],
    [words.charged, <ExactAmount key="charged" money={cost.charged} />],
  ];
  if (!isNothing(cost.accrued)) rows.push([words.accrued, <ExactAmount key="accrued" money={cost.accrued} />]);
  if (!isNothing(cost.held)) rows.push([words.held, <Amount key="held" money={cost.held} />]);
  if (funds.runway_seconds !== null) rows.push([words.left, words.leftValue(formatSpan(funds.runway_seconds))]);
  if (started_at !== null) rows.push([words.started, <Moment key="started" at={started_at} />]);
  if (ended_at !== null) rows.push([words.ended, <Moment key="ended" at={ended_at} />]);
  return (
    <Panel title={words.title} aside={<span className={`${text.faint} ${text.small} ${text.figures}`}>{words.asOf(formatClock(cost.as_of))}</span>}>
      <dl>
        <Figure name={words.total} large>
          <ExactAmount money={cost.total} />
        </Figure>
      </dl>
      <AllocationTimeBar allocation={allocation} />
      <Facts rows={rows} />
    </Panel>
  );
}
