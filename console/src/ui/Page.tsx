import { type ReactNode, useEffect } from "react";
import { t } from "~/messages";
import layout from "./layout.module.css";
import css from "./Page.module.css";

type PageProps = { title: ReactNode; name: string; lead?: ReactNode; crumb?: ReactNode; actions?: ReactNode; children: ReactNode };

/** A page: its heading, what can be done, and the title of the tab. */
export function Page({ title, name, lead, crumb, actions, children }: PageProps) {
  useEffect(() => {
    document.title = t.shell.title(name);
  }, [name]);
  return (
    <div className={css.page}>
      <div className={css.head}>
        <div className={layout.stack} data-gap="4">
          {crumb === undefined ? null : <div className={css.crumb}>{crumb}</div>}
          <h1>{title}</h1>
          {lead === undefined ? null : <p>{lead}</p>}
        </div>
        {actions === undefined ? null : <div className={layout.cluster}>{actions}</div>}
      </div>
      {children}
    </div>
  );
}
