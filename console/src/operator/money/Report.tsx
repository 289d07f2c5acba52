import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { type Column, DataTable } from "~/ui/DataTable";
import layout from "~/ui/layout.module.css";
import { Panel, PanelNote } from "~/ui/Panel";
import { QueryView } from "~/ui/QueryView";
import { Download } from "~/ui/Download";

type ReportProps<Row> = {
  title: string;
  query: UseQueryResult<{ lines: Row[] }, unknown>;
  columns: Column<Row>[];
  rowKey: (row: Row) => string;
  empty: string;
  lead?: string;
  /** Where the same is downloaded from; nothing until that is known. */
  href: string | null;
  filter?: ReactNode;
};

/** A report as a part of a page: what it is of, its lines, and the way to them as a file. */
export function Report<Row>({ title, query, columns, rowKey, empty, lead, href, filter }: ReportProps<Row>) {
  return (
    <Panel
      title={title}
      flush
      aside={
        <span className={layout.cluster}>
          {filter}
          {href === null ? null : <Download href={href} what={title} />}
        </span>
      }
    >
      {lead === undefined ? null : <PanelNote>{lead}</PanelNote>}
      <QueryView query={query} skeleton="table">
        {({ lines }) => (lines.length === 0 ? <PanelNote>{empty}</PanelNote> : <DataTable caption={title} columns={columns} rows={lines} rowKey={rowKey} />)}
      </QueryView>
    </Panel>
  );
}
