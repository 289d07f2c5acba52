import { type ReactNode, useEffect } from "react";
import { t } from "~/messages";
import { Brand } from "~/ui/Brand";
import { TimeBar } from "~/ui/figures";
import css from "./AuthFrame.module.css";

const FILL = [0.2, 0.55, 0.85];

/** The frame of the two pages that are seen before signing in. */
export function AuthFrame({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => {
    document.title = t.shell.title(title);
  }, [title]);
  return (
    <div className={css.auth}>
      <aside className={css.side} aria-label={t.shell.product}>
        <Brand>{t.shell.product}</Brand>
        <h2>{t.account.side.title}</h2>
        <ul className={css.promises}>
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
      <main className={css.main}>
        <div className={css.form}>
          <div className={css.brand}>
            <Brand>{t.shell.product}</Brand>
          </div>
          <h1>{title}</h1>
          {children}
        </div>
      </main>
    </div>
  );
}
