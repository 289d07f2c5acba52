import { useRouteError } from "react-router";
import { problemFromNetwork } from "~/errors";
import { t } from "~/messages";
import { Failure } from "./Failure";

/** A page that failed, or whose code could not be fetched. */
export function RouteError() {
  const error = useRouteError();
  const unfetched = error instanceof TypeError && /import|module/i.test(error.message);
  return <Failure error={unfetched ? problemFromNetwork(error) : error} again={t.errors.reload} onAgain={() => window.location.reload()} />;
}
