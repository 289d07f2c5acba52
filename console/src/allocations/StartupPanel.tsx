import type { ReactNode } from "react";
import { useState } from "react";
import { useStartup } from "~/api/reads";
import type { Startup } from "~/api/types";
import { t } from "~/messages";
import { startupState } from "~/states";
import { Disclosure } from "~/ui/Disclosure";
import { Facts } from "~/ui/Facts";
import { Moment } from "~/ui/figures";
import { Panel } from "~/ui/Panel";
import { QueryView } from "~/ui/QueryView";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import css from "./StartupPanel.module.css";

const words = t.allocations.startup;

/** Whatever text a customer's program wrote: what would steer a terminal is shown as what it is. */
// oxlint-disable-next-line no-control-regex
const shown = (output: string) => output.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, "\ufffd");

function Output({ id }: { id: string }) {
  return (
    <QueryView query={useStartup(id)}>
      {({ output, output_bytes }) =>
        output === "" ? (
          <p className={text.muted}>{words.outputEmpty}</p>
        ) : (
          <>
            {new Blob([output]).size < output_bytes ? <p className={text.help}>{words.outputCut}</p> : null}
            {/* It scrolls, so who has only keys must get to it. */}
            {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
            <pre className={css.output} tabIndex={0} role="region" aria-label={words.output}>
              {shown(output)}
            </pre>
          </>
        )
      }
    </QueryView>
  );
}

/** How the script fared that the allocation was launched with, and on demand what it wrote. */
export function StartupPanel({ id, startup }: { id: string; startup: Startup }) {
  const [open, setOpen] = useState(false);
  const { state, exit_code, signal, began_at, ended_at, detail } = startup;
  const rows: [string, ReactNode][] = [];
  if (exit_code !== null) rows.push([words.exitCode, exit_code]);
  if (signal !== null) rows.push([words.signal, signal]);
  if (began_at !== null) rows.push([words.began, <Moment key="began" at={began_at} />]);
  if (ended_at !== null) rows.push([words.ended, <Moment key="ended" at={ended_at} />]);
  const more = detail ?? words.detail[state];
  return (
    <Panel title={words.title} aside={<Status look={startupState(state)} />}>
      {more === null ? null : <p className={text.muted}>{more}</p>}
      <Facts rows={rows} />
      {began_at === null ? null : (
        <Disclosure summary={words.output} open={open} onToggle={setOpen}>
          {open ? <Output id={id} /> : null}
        </Disclosure>
      )}
    </Panel>
  );
}
