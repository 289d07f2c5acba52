import type { ReactNode } from "react";
import { problemOf } from "~/errors";
import { t } from "~/messages";
import { Button } from "./Button";
import { AlertIcon, CheckIcon, InfoIcon, WaitIcon } from "./icons";
import css from "./Notice.module.css";

export type NoticeTone = "info" | "ok" | "warn" | "bad" | "busy";

const ICONS: Record<NoticeTone, () => ReactNode> = { info: InfoIcon, ok: CheckIcon, warn: AlertIcon, bad: AlertIcon, busy: WaitIcon };

type NoticeProps = { tone: NoticeTone; title?: string; children?: ReactNode; role?: "alert" | "status" };

/** Something worth knowing, in its place on the page; it never vanishes by itself. */
export function Notice({ tone, title, children, role }: NoticeProps) {
  const Icon = ICONS[tone];
  return (
    <div className={css.notice} data-tone={tone} role={role}>
      <Icon />
      <div className={css.body}>
        {title === undefined ? null : <p className={css.title}>{title}</p>}
        {children}
      </div>
    </div>
  );
}

/** What to quote when one asks about it. */
export function NoticeId({ children }: { children: ReactNode }) {
  return <p className={css.id}>{children}</p>;
}

/** A failure: what happened, what to do, the request id, and a way to try again. */
export function ErrorNotice({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const problem = problemOf(error);
  return (
    <Notice tone="bad" title={problem.title} role="alert">
      <p>{problem.detail}</p>
      {problem.requestId === null ? null : <NoticeId>{t.errors.requestId(problem.requestId)}</NoticeId>}
      {onRetry === undefined ? null : (
        <div>
          <Button size="small" onPress={onRetry}>
            {t.errors.retry}
          </Button>
        </div>
      )}
    </Notice>
  );
}
