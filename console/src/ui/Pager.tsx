import { useSearchParams } from "react-router";
import { t } from "~/messages";
import { CURSOR } from "~/places";
import { LinkButton } from "./Button";
import css from "./Pager.module.css";

/** The cursor of the page in front, from the URL. A second list of a page keeps its own under another name. */
export function useCursor(name = CURSOR): string | null {
  return useSearchParams()[0].get(name);
}

/** Walks a list by its cursors; the place is in the URL, so that Back goes back. */
export function Pager({ next, name = CURSOR }: { next: string | null | undefined; name?: string }) {
  const [search] = useSearchParams();
  const cursor = search.get(name);
  if (cursor === null && !next) return null;
  const at = (value: string | null) => {
    const changed = new URLSearchParams(search);
    if (value === null) changed.delete(name);
    else changed.set(name, value);
    return { search: `?${changed}` };
  };
  return (
    <nav className={css.pager} aria-label={t.shell.table.pages}>
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
