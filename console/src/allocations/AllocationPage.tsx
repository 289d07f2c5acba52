import { useEffect } from "react";
import { Link, useParams, useSearchParams } from "react-router";
import { useAllocation, useMembers } from "~/api/reads";
import type { Allocation } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import { allocationState, operationState } from "~/states";
import { Button } from "~/ui/Button";
import layout from "~/ui/layout.module.css";
import { Notice } from "~/ui/Notice";
import { Page } from "~/ui/Page";
import { Freshness, QueryView } from "~/ui/QueryView";
import { Status } from "~/ui/Status";
import { Activity } from "./Activity";
import { AllocationActions } from "./AllocationActions";
import { AllocationNotices } from "./AllocationNotices";
import css from "./AllocationPage.module.css";
import { Charges } from "./Charges";
import { Connect } from "./Connect";
import { Cost } from "./Cost";
import { EvidencePanel } from "./EvidencePanel";
import { GivenPanel } from "./GivenPanel";
import { History } from "./History";
import { Limits } from "./Limits";
import { Ports } from "./Ports";
import { StartupPanel } from "./StartupPanel";
import { Traffic } from "./Traffic";

const words = t.allocations;

/** Goes to the terminal when the allocation is active, if the launch asked for it. */
function useOpenTerminal({ id, state }: Allocation) {
  const [search, setSearch] = useSearchParams();
  const wanted = search.get("open") === "terminal";
  const { usable, underWay } = allocationState(state);
  useEffect(() => {
    if (!wanted || !usable) return;
    // Back from the terminal must come to this page, not to the terminal again.
    window.history.replaceState(window.history.state, "", to.allocation(id));
    window.location.assign(to.terminal(id));
  }, [wanted, usable, id]);
  return { waiting: wanted && underWay, stay: () => setSearch({}, { replace: true }) };
}

function Details({ allocation }: { allocation: Allocation }) {
  const { id, state, operation, evidence, startup } = allocation;
  const terminal = useOpenTerminal(allocation);
  const { usable, underWay, closed } = allocationState(state);
  const busy = underWay || (operation !== null && operationState(operation.state).underWay);
  const activity = operation === null ? null : <Activity operation={operation} />;
  return (
    <>
      {terminal.waiting ? (
        <Notice tone="busy">
          <div className={layout.spread}>
            <p>{words.willOpen}</p>
            <Button size="small" onPress={terminal.stay}>
              {words.dontOpen}
            </Button>
          </div>
        </Notice>
      ) : null}
      <AllocationNotices allocation={allocation} />
      <div className={css.page}>
        <div className={css.cost}>
          <Cost allocation={allocation} />
        </div>
        <div className={`${css.work} ${layout.stack}`} data-gap="24">
          {busy ? activity : null}
          {evidence === null ? null : <EvidencePanel evidence={evidence} />}
          {startup === null ? null : <StartupPanel id={id} startup={startup} />}
          {closed ? null : <Connect allocation={allocation} />}
          {closed ? null : <Ports allocation={allocation} />}
          <Charges id={id} live={usable === true} />
          <History id={id} />
        </div>
        <div className={`${css.rest} ${layout.stack}`} data-gap="24">
          {closed && allocation.enforced.length === 0 ? null : <Limits allocation={allocation} />}
          {closed && allocation.traffic === null ? null : <Traffic traffic={allocation.traffic} />}
          <GivenPanel allocation={allocation} />
          {busy ? null : activity}
        </div>
      </div>
    </>
  );
}

export function AllocationPage() {
  const { id = "" } = useParams();
  const query = useAllocation(id);
  // For the names in its history; asked for now, not when the history has come.
  useMembers();
  const crumb = <Link to={to.home()}>{words.title}</Link>;
  if (query.data === undefined) {
    return (
      <Page name={id} title={id} crumb={crumb}>
        <QueryView query={query}>{() => null}</QueryView>
      </Page>
    );
  }
  const allocation = query.data;
  return (
    <AllocationActions allocation={allocation}>
      {(buttons, error) => (
        <Page
          name={allocation.name}
          crumb={crumb}
          title={
            <>
              {allocation.name} <Status look={allocationState(allocation.state)} />
            </>
          }
          lead={t.units.join([allocation.sku.name, allocation.id])}
          actions={
            <>
              <Freshness query={query} />
              {buttons}
            </>
          }
        >
          {error}
          <Details allocation={allocation} />
        </Page>
      )}
    </AllocationActions>
  );
}
