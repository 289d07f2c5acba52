export const errors = {
  offline: {
    title: "Sublet did not answer",
    detail: "The connection failed, so nothing on this page was changed. What runs keeps running. Check your network and try again.",
  },
  unreadable: {
    title: "The answer could not be read",
    detail: "Something between you and Sublet answered in its place. Nothing you see was changed. Try again in a moment.",
  },
  crashed: {
    title: "This page failed",
    detail: "A fault in the console stopped this page. Nothing was changed by it, and what runs keeps running. Load the page again.",
  },
  notFoundPage: {
    title: "There is no such page",
    detail: "The address may be old or mistyped.",
    home: "Go to allocations",
  },
  forbiddenPage: {
    title: "This page is for operators",
    detail: "Your account has no platform role. Nothing was changed.",
  },
  retry: "Try again",
  reload: "Load again",
  requestId: (id: string) => `Request ${id}`,
  stale: (span: string) => `Updated ${span}`,
  staleRetry: "Refresh",
  loading: "Loading",
  slow: "Still waiting for an answer…",
};
