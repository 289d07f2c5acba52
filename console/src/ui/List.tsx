/** Lists of the API: a page of rows, or why there is none, and the way to the next. */
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { type Column, DataTable } from "./DataTable";
import { Empty } from "./Empty";
import layout from "./layout.module.css";
import { Page } from "./Page";
import { Pager } from "./Pager";
import { Panel, PanelNote } from "./Panel";
import { Freshness, QueryView } from "./QueryView";

type Listed<Row> = { items: Row[]; next_cursor?: string | null };

export type RowsProps<Row> = {
  /** What the table holds, for who does not see it. */
  caption: string;
  columns: Column<Row>[];
  rowKey: (row: Row) => string;
  /** What there is to say when there is no row: with a way on, or in one line. */
  empty: { title: string; detail: string; way?: ReactNode } | string;
  /** A line above the rows. */
  note?: string;
  /** The name of its cursor in the address, if the page has another list. */
  cursor?: string;
};

function Rows<Row>({ page, caption, columns, rowKey, empty, note, cursor }: RowsProps<Row> & { page: Listed<Row> }) {
  const { items, next_cursor } = page;
  return (
    <>
      {items.length > 0 ? (
        <>
          {note === undefined ? null : <PanelNote>{note}</PanelNote>}
          <DataTable caption={caption} columns={columns} rows={items} rowKey={rowKey} />
        </>
      ) : typeof empty === "string" ? (
        <PanelNote>{empty}</PanelNote>
      ) : (
        <Empty title={empty.title} detail={empty.detail}>
          {empty.way}
        </Empty>
      )}
      <Pager next={next_cursor} name={cursor} />
    </>
  );
}

type Query<Row> = UseQueryResult<Listed<Row>, unknown>;

/** A list within something that has a title of its own. */
export function ListView<Row>({ query, ...rows }: RowsProps<Row> & { query: Query<Row> }) {
  return (
    <QueryView query={query} skeleton="table">
      {(page) => (
        <>
          <Freshness query={query} />
          <Rows page={page} {...rows} />
        </>
      )}
    </QueryView>
  );
}

type ListPanelProps<Row> = RowsProps<Row> & { title: string; query: Query<Row>; lead?: string; action?: ReactNode };

/** A list as a part of a page, with what it is about and the way to add to it. */
export function ListPanel<Row>({ title, query, lead, action, ...rows }: ListPanelProps<Row>) {
  return (
    <Panel
      title={title}
      flush
      aside={
        <span className={layout.cluster}>
          <Freshness query={query} />
          {action}
        </span>
      }
    >
      {lead === undefined ? null : <PanelNote>{lead}</PanelNote>}
      <QueryView query={query} skeleton="table">
        {(page) => <Rows page={page} {...rows} />}
      </QueryView>
    </Panel>
  );
}

type ListPageProps<Row> = RowsProps<Row> & {
  title: string;
  crumb?: ReactNode;
  query: Query<Row>;
  filter?: ReactNode;
  action?: ReactNode;
  /** Dialogs, which are open while they are rendered. */
  children?: ReactNode;
};

/** A page that is a list: loading, failed, empty or there, with what narrows it and what adds to it. */
export function ListPage<Row>({ title, crumb, query, filter, action, children, ...rows }: ListPageProps<Row>) {
  return (
    <Page
      name={title}
      title={title}
      crumb={crumb}
      actions={
        <>
          <Freshness query={query} />
          {filter}
          {action}
        </>
      }
    >
      <QueryView query={query} skeleton="table">
        {(page) => (
          <Panel flush>
            <Rows page={page} {...rows} />
          </Panel>
        )}
      </QueryView>
      {children}
    </Page>
  );
}
