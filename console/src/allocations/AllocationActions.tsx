import { type ReactNode, useState } from "react";
import { release, restartElsewhere, resume, suspend, useCommand } from "~/api/commands";
import { newKey } from "~/api/intent";
import type { Allocation } from "~/api/types";
import { formatRate } from "~/format/money";
import { suspendConsequences } from "~/launch/suspension";
import { t } from "~/messages";
import { allocationState } from "~/states";
import { ActionButton, actionNamed } from "~/ui/Button";
import { Confirm } from "~/ui/Confirm";
import { ErrorNotice } from "~/ui/Notice";
import { OpenTerminal } from "./Connect";

const words = t.allocations;

/** What may be done with it now. `children` gives the buttons and, if the last act failed, the error. */
export function AllocationActions({ allocation, children }: { allocation: Allocation; children: (buttons: ReactNode, error: ReactNode) => ReactNode }) {
  const [asking, setAsking] = useState<"release" | "cancel" | "suspend" | null>(null);
  // The price as it was when the question was asked: what is agreed to is what was read.
  const [restarting, setRestarting] = useState<{ key: string; price: NonNullable<Allocation["restart_price"]> } | null>(null);
  const resuming = useCommand(resume);
  const of = (name: string) => actionNamed(allocation.actions, name);
  const { toggle } = allocationState(allocation.state);
  const cancel = of("cancel");
  const { restart_price: price } = allocation;
  const [failed, setFailed] = useState<{ error: unknown; state: string } | null>(null);
  // What was refused in one state says nothing of the next.
  if (failed !== null && failed.state !== allocation.state) setFailed(null);
  const resumeIt = () => {
    const { id, state } = allocation;
    setFailed(null);
    resuming.mutate(id, { onError: (error) => setFailed({ error, state }) });
  };
  const buttons = (
    <>
      {toggle === "resume" ? (
        <ActionButton action={of("resume")} isPending={resuming.isPending} onPress={resumeIt}>
          {words.resume}
        </ActionButton>
      ) : toggle === "suspend" ? (
        <ActionButton action={of("suspend")} onPress={() => setAsking("suspend")}>
          {words.suspend}
        </ActionButton>
      ) : null}
      {price === null ? null : (
        <ActionButton action={of("restart_elsewhere")} variant="primary" onPress={() => setRestarting({ key: newKey(), price })}>
          {words.restart}
        </ActionButton>
      )}
      {cancel?.allowed ? (
        <ActionButton action={cancel} variant="danger" onPress={() => setAsking("cancel")}>
          {words.cancel}
        </ActionButton>
      ) : (
        <ActionButton action={of("release")} variant="danger" hideReason onPress={() => setAsking("release")}>
          {words.release}
        </ActionButton>
      )}
      <OpenTerminal allocation={allocation} />
      {restarting === null ? null : (
        <Confirm
          title={words.dialog.restartTitle(allocation.name)}
          consequences={words.dialog.restartConsequences(formatRate(restarting.price.per_hour))}
          confirm={words.restart}
          keep={words.dialog.wait}
          danger={false}
          command={restartElsewhere}
          input={{ key: restarting.key, id: allocation.id, price_id: restarting.price.id }}
          onClose={() => setRestarting(null)}
        />
      )}
      {asking === "suspend" ? (
        <Confirm
          title={words.dialog.suspendTitle(allocation.name)}
          consequences={suspendConsequences(allocation.price)}
          confirm={words.dialog.confirmSuspend}
          keep={words.dialog.keep}
          danger={false}
          command={suspend}
          input={allocation.id}
          onClose={() => setAsking(null)}
        />
      ) : null}
      {asking === null || asking === "suspend" ? null : (
        <Confirm
          title={asking === "release" ? words.dialog.releaseTitle(allocation.name) : words.dialog.cancelTitle(allocation.name)}
          consequences={asking === "release" ? words.dialog.consequences : words.dialog.cancelConsequences}
          confirm={asking === "release" ? words.dialog.confirmRelease : words.dialog.confirmCancel}
          keep={words.dialog.keep}
          command={release}
          input={allocation.id}
          onClose={() => setAsking(null)}
        />
      )}
    </>
  );
  return children(buttons, failed === null ? null : <ErrorNotice error={failed.error} />);
}
