import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { meQuery } from "~/api/queries";
import { routeOf } from "~/api/stale";
import { isTransient, isUnauthenticated } from "~/errors";

const RETRIES = 2;

/** Server state: a failed read is repeated where that may help; an ended session is noticed wherever it shows first. */
export function createQueryClient(): QueryClient {
  const noticeEndedSession = (error: unknown) => {
    if (isUnauthenticated(error) && client.getQueryData(meQuery().queryKey) !== undefined) {
      client.removeQueries({ predicate: ({ queryKey }) => routeOf(queryKey) !== routeOf(meQuery().queryKey) });
      void client.resetQueries({ queryKey: meQuery().queryKey });
    }
  };
  const client = new QueryClient({
    queryCache: new QueryCache({ onError: noticeEndedSession }),
    mutationCache: new MutationCache({ onError: noticeEndedSession }),
    defaultOptions: {
      queries: { retry: (count, error) => count < RETRIES && isTransient(error), staleTime: 2_000 },
      mutations: { retry: false },
    },
  });
  return client;
}
