/** Fetches ahead for where somebody is about to go: a link that is pointed at, that has the focus, or that is pressed. */
import { matchRoutes, type RouteObject } from "react-router";
import type { Ahead } from "./routes";

/** Long enough that nothing is fetched for a link that the pointer only passes. */
const INTENT_MS = 80;

/** Fetches the code and the data of all that is at an address of the console. */
function fetchRoutes(routes: RouteObject[], { pathname, searchParams }: URL): void {
  for (const { route, params } of matchRoutes(routes, pathname) ?? []) {
    const { code, data } = (route.handle ?? {}) as Ahead;
    data?.({ params, search: searchParams });
    // Code that cannot be fetched now is fetched, or missed, when the link is followed.
    code?.().catch(() => undefined);
  }
}

/** The address that an event is about, if it is on a link to another place in this console. */
function linked({ target }: Event): URL | null {
  const link = target instanceof Element ? target.closest<HTMLAnchorElement>("a[href]") : null;
  if (link === null) return null;
  const url = new URL(link.href);
  const here = url.pathname === window.location.pathname && url.search === window.location.search;
  return url.origin === window.location.origin && !here ? url : null;
}

/** Watches the links of a page, until the returned function is called. */
export function prefetchOnIntent(page: Document, routes: RouteObject[]): () => void {
  let waiting: ReturnType<typeof setTimeout> | undefined;
  const fetchFor = (url: URL | null) => url !== null && fetchRoutes(routes, url);
  const consider = (event: Event) => {
    clearTimeout(waiting);
    const url = linked(event);
    if (url !== null) waiting = setTimeout(fetchFor, INTENT_MS, url);
  };
  const press = (event: Event) => {
    clearTimeout(waiting);
    fetchFor(linked(event));
  };
  const until = new AbortController();
  const { signal } = until;
  page.addEventListener("pointerover", consider, { signal });
  page.addEventListener("focusin", consider, { signal });
  page.addEventListener("pointerdown", press, { signal });
  return () => {
    clearTimeout(waiting);
    until.abort();
  };
}
