import type { ReactNode } from "react";
import { problemOf } from "~/errors";
import { t } from "~/messages";
import { Button } from "~/ui/Button";

type FailureProps = { error: unknown; again: string; onAgain: () => void };

/** A page of which nothing can be shown: what happened, and the way to try again. */
export function Failure({ error, again, onAgain }: FailureProps): ReactNode {
  const problem = problemOf(error);
  return (
    <div className="center-page" role="alert">
      <h1>{problem.title}</h1>
      <p className="muted">{problem.detail}</p>
      {problem.requestId === null ? null : <p className="notice-id">{t.errors.requestId(problem.requestId)}</p>}
      <div>
        <Button onPress={onAgain}>{again}</Button>
      </div>
    </div>
  );
}
