import { type ReactNode, useEffect } from "react";
import { t } from "~/messages";
import { Mark } from "~/ui/icons";
import { TimeBar } from "~/ui/figures";

const FILL = [0.2, 0.55, 0.85];

/** The frame of the two pages that are seen before signing in. */
export function AuthFrame({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => {
    document.title = t.shell.title(title);
  }, [title]);
  return (
    <div className="auth">
      <aside className="auth-side" aria-label={t.shell.product}>
        <span className="brand">
          <Mark />
          {t.shell.product}
        </span>
        <h2>{t.account.side.title}</h2>
        <ul className="auth-promises">
          {t.account.side.promises.map((promise, index) => (
            <li key={promise.title}>
              <span aria-hidden="true">
                <TimeBar elapsed={FILL[index] ?? 0} paid={1 - (FILL[index] ?? 0)} />
              </span>
              <strong>{promise.title}</strong>
              {promise.detail}
            </li>
          ))}
        </ul>
      </aside>
      <main className="auth-main">
        <div className="auth-form">
          <span className="brand">
            <Mark />
            {t.shell.product}
          </span>
          <h1>{title}</h1>
          {children}
        </div>
      </main>
    </div>
  );
}
