import type { ReactNode } from "react";
import { problemOf } from "~/errors";
import { t } from "~/messages";
import { Button } from "./Button";
import { AlertIcon, CheckIcon, InfoIcon, WaitIcon } from "./icons";

export type NoticeTone = "info" | "ok" | "warn" | "bad" | "busy";

const ICONS: Record<NoticeTone, () => ReactNode> = { info: InfoIcon, ok: CheckIcon, warn: AlertIcon, bad: AlertIcon, busy: WaitIcon };

type NoticeProps = { tone: NoticeTone; title?: string; children?: ReactNode; role?: "alert" | "status" };

/** Something worth knowing, in its place on the page; it never vanishes by itself. */
export function Notice({ tone, title, children, role }: NoticeProps) {
  const Icon = ICONS[tone];
  return (
    <div className="notice" data-tone={tone} role={role}>
      <Icon />
      <div className="notice-body">
        {title === undefined ? null : <p className="notice-title">{title}</p>}
        {children}
      </div>
    </div>
  );
}

/** A failure: what happened, what to do, the request id, and a way to try again. */
export function ErrorNotice({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const problem = problemOf(error);
  return (
    <Notice tone="bad" title={problem.title} role="alert">
      <p>{problem.detail}</p>
      {problem.requestId === null ? null : <p className="notice-id">{t.errors.requestId(problem.requestId)}</p>}
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

export function Empty({ title, detail, children }: { title: string; detail: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      <p>{detail}</p>
      {children}
    </div>
  );
}
