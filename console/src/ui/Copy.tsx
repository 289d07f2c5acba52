import { useEffect, useState } from "react";
import { t } from "~/messages";
import { Button } from "./Button";
import css from "./Copy.module.css";
import { Disclosure } from "./Disclosure";
import { CheckIcon, CopyIcon } from "./icons";
import text from "./text.module.css";

const CONFIRMED_MS = 2_000;

type CopyProps = { text: string; what: string; bare?: boolean };

/** A line to copy, with a button that says when it has. */
export function Copy({ text: line, what, bare }: CopyProps) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), CONFIRMED_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <span className={css.copy} data-bare={bare || undefined}>
      <code title={bare ? line : undefined}>{line}</code>
      <Button
        size="small"
        aria-label={t.shell.copy.label(what)}
        onPress={() => void navigator.clipboard.writeText(line).then(() => setCopied(true))}
      >
        {copied ? <CheckIcon /> : <CopyIcon />}
        {bare ? null : copied ? t.shell.copy.copied : t.shell.copy.copy}
      </Button>
      <span className={text.visuallyHidden} role="status">
        {copied ? t.shell.copy.copied : ""}
      </span>
    </span>
  );
}

/** The command that does the same as the form beside it. */
export function CliHint({ command }: { command: string }) {
  return (
    <Disclosure summary={t.shell.cli.summary}>
      <Copy text={command} what={t.shell.cli.what} />
    </Disclosure>
  );
}
