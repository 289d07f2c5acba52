import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { type Column, DataTable } from "~/ui/DataTable";
import { Empty } from "~/ui/Notice";
import { Panel } from "~/ui/Page";
import { Pager } from "~/ui/Pager";
import { Freshness, QueryView } from "~/ui/QueryView";

type SectionProps<Row> = {
  title: string;
  lead: string;
  query: UseQueryResult<{ items: Row[]; next_cursor?: string | null }, unknown>;
  columns: Column<Row>[];
  rowKey: (row: Row) => string;
  empty: { title: string; detail: string };
  action?: ReactNode;
};

/** A list of things that belong to the account, with the way to add one. */
export function Section<Row>({ title, lead, query, columns, rowKey, empty, action }: SectionProps<Row>) {
  return (
    <Panel
      title={title}
      flush
      aside={
        <span className="cluster">
          <Freshness query={query} />
          {action}
        </span>
      }
    >
      <p className="panel-note">{lead}</p>
      <QueryView query={query} skeleton="table">
        {({ items, next_cursor }) => (
          <>
            {items.length === 0 ? (
              <Empty title={empty.title} detail={empty.detail} />
            ) : (
              <DataTable caption={title} columns={columns} rows={items} rowKey={rowKey} />
            )}
            <Pager next={next_cursor} />
          </>
        )}
      </QueryView>
    </Panel>
  );
}
