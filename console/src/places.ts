/** What an address of the console asks for, read in one place: by the page, and by what fetches ahead for it. */
import { BILLING_VIEWS, SETTINGS_VIEWS } from "./paths";
import { isAllocationState, isApprovalState } from "./states";

/** The names in the query; a second list on a page has its own cursor. */
export const CURSOR = "cursor";
export const HISTORY_CURSOR = "history";
export const ENDED = "ended";
export const LABEL = "label";
export const ROLLOUTS_CURSOR = "rollouts";

const cursorIn = (search: URLSearchParams) => search.get(CURSOR);

export const placeOf = {
  list: (search: URLSearchParams) => ({ cursor: cursorIn(search) }),
  allocations: (search: URLSearchParams) => ({ includeEnded: search.get(ENDED) === "1", labels: search.getAll(LABEL), cursor: cursorIn(search) }),
  allocation: (search: URLSearchParams) => ({ charges: cursorIn(search), history: search.get(HISTORY_CURSOR) }),
  billing: (search: URLSearchParams) => ({
    view: BILLING_VIEWS.find((name) => name === search.get("view")) ?? BILLING_VIEWS[0],
    topUp: search.get("top_up"),
    cardSetup: search.get("card_setup"),
    cancelled: search.get("cancelled") !== null,
    cursor: cursorIn(search),
  }),
  settings: (search: URLSearchParams) => ({ view: SETTINGS_VIEWS.find((name) => name === search.get("view")) ?? SETTINGS_VIEWS[0], cursor: cursorIn(search) }),
  helpers: (search: URLSearchParams) => ({ drift: cursorIn(search), rollouts: search.get(ROLLOUTS_CURSOR) }),
  approvals(search: URLSearchParams) {
    const asked = search.get("state");
    return { state: asked !== null && isApprovalState(asked) ? asked : null, cursor: cursorIn(search) };
  },
  adminAllocations(search: URLSearchParams) {
    const asked = search.get("state");
    return { state: asked !== null && isAllocationState(asked) ? asked : null, cursor: cursorIn(search) };
  },
};
