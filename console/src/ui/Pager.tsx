import { useSearchParams } from "react-router";
import { t } from "~/messages";
import { LinkButton } from "./Button";

const CURSOR = "cursor";

/** The cursor of the page in front, from the URL. */
export function useCursor(): string | null {
  return useSearchParams()[0].get(CURSOR);
}

/** Walks a list by its cursors; the place is in the URL, so that Back goes back. */
export function Pager({ next }: { next: string | null | undefined }) {
  const [search] = useSearchParams();
  const cursor = search.get(CURSOR);
  if (cursor === null && !next) return null;
  const at = (value: string | null) => {
    const changed = new URLSearchParams(search);
    if (value === null) changed.delete(CURSOR);
    else changed.set(CURSOR, value);
    return { search: `?${changed}` };
  };
  return (
    <nav className="pager" aria-label={t.shell.table.pages}>
      {cursor === null ? null : (
        <LinkButton size="small" to={at(null)}>
          {t.shell.table.firstPage}
        </LinkButton>
      )}
      {next ? (
        <LinkButton size="small" to={at(next)}>
          {t.shell.table.nextPage}
        </LinkButton>
      ) : null}
    </nav>
  );
}
