import type { Allocation } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import { actionNamed, LinkButton, ReasonedButton } from "~/ui/Button";
import { Copy } from "~/ui/Copy";
import { Facts } from "~/ui/Facts";
import { TerminalIcon } from "~/ui/icons";
import layout from "~/ui/layout.module.css";
import { Panel } from "~/ui/Panel";
import text from "~/ui/text.module.css";

const words = t.allocations.connect;

/** The way into the terminal. A document of its own, because its style policy differs from that of all other pages. */
export function OpenTerminal({ allocation }: { allocation: Allocation }) {
  const action = actionNamed(allocation.actions, "terminal");
  const content = (
    <>
      <TerminalIcon />
      {t.allocations.openTerminal}
    </>
  );
  if (action === undefined) return null;
  if (!action.allowed) {
    return (
      <ReasonedButton reason={action.reason ?? ""} hideReason>
        {content}
      </ReasonedButton>
    );
  }
  return (
    <LinkButton variant="primary" to={to.terminal(allocation.id)} reloadDocument>
      {content}
    </LinkButton>
  );
}

/** How to reach the machine. */
export function Connect({ allocation }: { allocation: Allocation }) {
  const { ssh, name, login, node } = allocation;
  return (
    <Panel title={words.title}>
      {ssh === null ? (
        <p className={text.muted}>{words.notOpen}</p>
      ) : (
        <>
          <div className={layout.stack} data-gap="8">
            <p className={text.muted}>{words.certificate}</p>
            <Copy text={words.certificateCommand(name)} what={t.shell.cli.what} />
          </div>
          <div className={layout.stack} data-gap="8">
            <p className={text.muted}>{words.key}</p>
            <Copy text={ssh.command} what={t.allocations.sshCommand} />
          </div>
        </>
      )}
      <Facts
        align="start"
        rows={[
          ...(login === null ? [] : [[words.login, <code key="login">{login}</code>] as [string, React.ReactNode]]),
          ...(node === null ? [] : [[words.node, node.name] as [string, React.ReactNode]]),
        ]}
      />
    </Panel>
  );
}
