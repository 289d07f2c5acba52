import { useEffect, useState } from "react";
import { Outlet, useNavigation } from "react-router";
import { Loading } from "~/ui/QueryView";

/** What is there sooner came at once: nobody is shown that it is on its way. */
const AT_ONCE_MS = 200;

/** The page; or, once its code is waited for, that the one which was asked for is on its way. */
export function PageOutlet() {
  const coming = useNavigation().state === "loading";
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (!coming) return undefined;
    const timer = setTimeout(() => setLate(true), AT_ONCE_MS);
    return () => {
      clearTimeout(timer);
      setLate(false);
    };
  }, [coming]);
  return coming && late ? <Loading /> : <Outlet />;
}
