import { type ReactNode, useEffect, useId } from "react";
import { t } from "~/messages";

type PageProps = { title: ReactNode; name: string; lead?: ReactNode; crumb?: ReactNode; actions?: ReactNode; children: ReactNode };

/** A page: its heading, what can be done, and the title of the tab. */
export function Page({ title, name, lead, crumb, actions, children }: PageProps) {
  useEffect(() => {
    document.title = t.shell.title(name);
  }, [name]);
  return (
    <div className="page">
      <div className="page-head">
        <div className="stack" data-gap="4">
          {crumb === undefined ? null : <div className="crumb">{crumb}</div>}
          <h1>{title}</h1>
          {lead === undefined ? null : <p>{lead}</p>}
        </div>
        {actions === undefined ? null : <div className="cluster">{actions}</div>}
      </div>
      {children}
    </div>
  );
}

type PanelProps = { title?: ReactNode; aside?: ReactNode; flush?: boolean; children: ReactNode };

/** A bordered part of a page; `flush` for tables, which bring their own padding. */
export function Panel({ title, aside, flush = false, children }: PanelProps) {
  const id = useId();
  return (
    <section className="panel" aria-labelledby={title === undefined ? undefined : id}>
      {title === undefined ? null : (
        <div className="panel-head">
          <h2 id={id}>{title}</h2>
          {aside}
        </div>
      )}
      {flush ? children : <div className="panel-body">{children}</div>}
    </section>
  );
}

/** Pairs of name and value. */
export function Facts({ rows, align }: { rows: [string, ReactNode][]; align?: "start" }) {
  return (
    <dl className="facts" data-align={align}>
      {rows.map(([name, value]) => (
        <FactRow key={name} name={name} value={value} />
      ))}
    </dl>
  );
}

function FactRow({ name, value }: { name: string; value: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}
