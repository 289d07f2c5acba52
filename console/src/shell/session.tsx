/** Who may see which part of the console. The server decides; this only chooses the page that fits its answer. */
import { Navigate, Outlet, useLocation, useSearchParams } from "react-router";
import { useMe } from "~/api/reads";
import { Failure } from "~/app/Failure";
import { NotFound } from "~/app/NotFound";
import { PageOutlet } from "~/app/PageOutlet";
import { isUnauthenticated } from "~/errors";
import { LiveProvider } from "~/live/LiveProvider";
import { t } from "~/messages";
import { safeNext, to } from "~/paths";
import { Center } from "~/ui/Center";
import { Loading } from "~/ui/QueryView";

/** The whole window, before it is known what will be in it. */
export function Waiting() {
  return (
    <Center>
      <Loading />
    </Center>
  );
}

export function RequireSession() {
  const me = useMe();
  const location = useLocation();
  if (me.data !== undefined) {
    return (
      <LiveProvider>
        <Outlet />
      </LiveProvider>
    );
  }
  if (me.isPending) return <Waiting />;
  if (isUnauthenticated(me.error)) {
    const here = location.pathname + location.search;
    return <Navigate to={to.signIn(here === to.home() ? undefined : here)} replace />;
  }
  return (
    <main>
      <Failure error={me.error} again={t.errors.retry} onAgain={() => void me.refetch()} />
    </main>
  );
}

/** Sign-in and sign-up; whoever is signed in already goes on to where they wanted to be. */
export function SignedOutOnly() {
  const me = useMe();
  const [search] = useSearchParams();
  if (me.data !== undefined) return <Navigate to={safeNext(search.get("next"))} replace />;
  if (me.isPending) return <Waiting />;
  return <PageOutlet />;
}

export function RequireOperator() {
  const me = useMe();
  if (me.data === undefined || me.data.platform_roles.length === 0) {
    return <NotFound title={t.errors.forbiddenPage.title} detail={t.errors.forbiddenPage.detail} />;
  }
  return <Outlet />;
}
