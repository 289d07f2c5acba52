import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { formatSpan } from "~/format/time";
import { useNow } from "~/format/useNow";
import { useLive } from "~/live/state";
import { t } from "~/messages";
import { Button } from "./Button";
import { AlertIcon } from "./icons";
import { ErrorNotice } from "./Notice";
import css from "./QueryView.module.css";
import text from "./text.module.css";

type Skeleton = "table" | "panel";

/** The shape of what is to come; seen only after 200 ms, and after 3 s it says that it still waits. */
export function Loading({ as = "panel" }: { as?: Skeleton }) {
  const rows = as === "table" ? ["a", "b", "c", "d"] : ["a", "b", "c"];
  return (
    <div className={css.skeleton} role="status" data-skeleton>
      <span className={text.visuallyHidden}>{t.errors.loading}</span>
      {rows.map((row, index) =>
        as === "table" ? (
          <div className={css.row} key={row}>
            <span className={css.bar} />
            <span className={css.bar} />
            <span className={css.bar} />
            <span className={css.bar} />
          </div>
        ) : (
          <span className={css.bar} data-width={index + 1} key={row} />
        ),
      )}
      <p className={`${css.slow} ${text.small}`}>{t.errors.slow}</p>
    </div>
  );
}

const STALE_MS = 10_000;

type Aged = { dataUpdatedAt: number; isRefetchError: boolean; refetch: () => Promise<unknown> };

/** Says how old the data is, when it is no longer known to be true. */
export function Freshness({ query }: { query: Aged }) {
  const now = useNow();
  const live = useLive();
  const age = now - query.dataUpdatedAt;
  const doubtful = query.isRefetchError || (live !== "live" && age > STALE_MS);
  if (!doubtful || query.dataUpdatedAt === 0) return null;
  return (
    <span className={css.freshness} role="status">
      <AlertIcon />
      {t.errors.stale(t.units.ago(formatSpan(age / 1000)))}
      <Button size="small" variant="quiet" onPress={() => void query.refetch()}>
        {t.errors.staleRetry}
      </Button>
    </span>
  );
}

type QueryViewProps<T> = { query: UseQueryResult<T, unknown>; skeleton?: Skeleton; children: (data: T) => ReactNode };

/** A list that was empty when it was last read: while it cannot be read, that is no news. */
function isEmptyList(data: unknown): boolean {
  const { items } = (data ?? {}) as { items?: unknown };
  return Array.isArray(items) && items.length === 0;
}

/**
 * Loading, failed, stale or there: the four states of anything that is fetched, told the same way everywhere. What is
 * still there of another filter or page is dimmed and busy until its own answer comes.
 */
export function QueryView<T>({ query, skeleton, children }: QueryViewProps<T>) {
  const stale = query.isError && isEmptyList(query.data);
  if (query.data !== undefined && !stale) {
    return (
      <div className={css.view} aria-busy={query.isPlaceholderData}>
        {children(query.data)}
      </div>
    );
  }
  if (query.isError) {
    return <ErrorNotice error={query.error} onRetry={() => void query.refetch()} />;
  }
  return <Loading as={skeleton} />;
}
