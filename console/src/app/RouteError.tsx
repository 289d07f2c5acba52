import { useRouteError } from "react-router";
import { problemFromNetwork } from "~/errors";
import { t } from "~/messages";
import { Failure } from "./Failure";

const isUnfetchedCode = (error: Error) => error instanceof TypeError && /import|module/i.test(error.message);

/** Vite fetches a page's styles beside its code, and says so in its own words when they do not come. */
const isUnfetchedStyle = (error: Error) => error.message.startsWith("Unable to preload CSS");

/** A page that failed, or whose code could not be fetched. */
export function RouteError() {
  const error = useRouteError();
  const unfetched = error instanceof Error && (isUnfetchedCode(error) || isUnfetchedStyle(error));
  return <Failure error={unfetched ? problemFromNetwork(error) : error} again={t.errors.reload} onAgain={() => window.location.reload()} />;
}
