import "@xterm/xterm/css/xterm.css";
import { useEffect, useRef, useState } from "react";
import { useParams } from "react-router";
import { useAllocation } from "~/api/reads";
import { CLOSE } from "~/live/EventStream";
import { t } from "~/messages";
import { to } from "~/paths";
import { allocationState, TERMINAL_STATES } from "~/states";
import { AwayButton, Button } from "~/ui/Button";
import { Check } from "~/ui/controls";
import { BackIcon } from "~/ui/icons";
import { Notice } from "~/ui/Notice";
import { Status } from "~/ui/Status";
import type { Ending } from "./TerminalConnection";
import type { TerminalState } from "./TerminalSession";
import css from "./TerminalPage.module.css";
import { useTerminal } from "./useTerminal";

const words = t.terminal;

const BY_CODE: Record<number, string> = {
  [CLOSE.unauthenticated]: words.notice.unauthenticated,
  [CLOSE.forbidden]: words.notice.forbidden,
  [CLOSE.goingAway]: words.notice.goingAway,
};

function said(ending: Ending): string {
  if (ending.kind === "exit") return words.notice.exit(ending.status);
  if (ending.kind === "error") return ending.message || words.notice.closed;
  return BY_CODE[ending.code] ?? words.notice.closed;
}

function StateNotice({ state, gone, onReconnect }: { state: TerminalState; gone: boolean; onReconnect: () => void }) {
  if (state.kind === "open") return null;
  if (state.kind === "connecting") return <Notice tone="busy" title={words.notice.connecting} />;
  if (state.kind === "reconnecting") return <Notice tone="busy" title={words.notice.reconnecting(state.attempt)} />;
  return (
    <Notice tone="info" title={said(state.ending)}>
      <p>{gone ? words.notice.gone : words.notice.readOnly}</p>
      {gone ? null : (
        <div>
          <Button variant="primary" size="small" onPress={onReconnect}>
            {words.reconnect}
          </Button>
        </div>
      )}
    </Notice>
  );
}

/** A shell in the browser. This page is a document of its own: its style policy is looser, for the terminal's sake. */
export function TerminalPage() {
  const { id = "" } = useParams();
  const { data: allocation } = useAllocation(id);
  const name = allocation?.name ?? id;
  const host = useRef<HTMLDivElement>(null);
  const toolbar = useRef<HTMLDivElement>(null);
  const [screenReader, setScreenReader] = useState(false);
  const { state, reconnect } = useTerminal(id, { host, toolbar }, screenReader);

  useEffect(() => {
    document.title = t.shell.title(words.title(name));
  }, [name]);

  return (
    <div className={css.terminal} data-terminal={state.kind}>
      <header className={css.bar} ref={toolbar}>
        <AwayButton variant="quiet" size="small" href={to.allocation(id)}>
          <BackIcon />
          {words.back}
        </AwayButton>
        <h1>{name}</h1>
        <span role="status">
          <Status look={TERMINAL_STATES[state.kind]} />
        </span>
        <div className={css.end}>
          <span className={css.keys} id="leave-terminal">
            {words.leave.before} <kbd>{words.leave.key}</kbd>
          </span>
          <Check checked={screenReader} onChange={({ target }) => setScreenReader(target.checked)}>
            {words.screenReader}
          </Check>
        </div>
      </header>
      <main className={css.screen} aria-label={words.region(name)} aria-describedby="leave-terminal">
        <div className={css.host} ref={host} />
        <div className={css.notice}>
          <StateNotice state={state} gone={allocation !== undefined && allocationState(allocation.state).ended === true} onReconnect={reconnect} />
        </div>
      </main>
    </div>
  );
}
