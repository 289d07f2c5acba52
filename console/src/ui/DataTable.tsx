import type { ReactNode } from "react";
import css from "./DataTable.module.css";
import text from "./text.module.css";

export type Column<Row> = {
  key: string;
  header: string;
  cell: (row: Row) => ReactNode;
  /** Right-aligned figures in the monospaced face. */
  numeric?: boolean;
  /** As narrow as its content. */
  narrow?: boolean;
  /** On a narrow screen, without the column's name before it. */
  plain?: boolean;
};

type DataTableProps<Row> = {
  caption: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string;
  isSelected?: (row: Row) => boolean;
};

/**
 * A table that turns into a list of cards on a narrow screen. The roles are written out because browsers drop a
 * table's meaning when its display changes.
 */
export function DataTable<Row>({ caption, columns, rows, rowKey, isSelected }: DataTableProps<Row>) {
  return (
    <div className={css.wrap}>
      <table className={css.table} role="table">
        <caption className={text.visuallyHidden}>{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => (
              <th key={column.key} scope="col" role="columnheader" data-numeric={column.numeric || undefined} data-narrow={column.narrow || undefined}>
                {column.header}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={rowKey(row)} role="row" data-selected={isSelected?.(row) || undefined}>
              {columns.map((column) => (
                <td
                  key={column.key}
                  role="cell"
                  data-label={column.header}
                  data-numeric={column.numeric || undefined}
                  data-narrow={column.narrow || undefined}
                  data-plain={column.plain || undefined}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
