import type { ReactNode } from "react";
import { problemOf } from "~/errors";
import { t } from "~/messages";
import { Button } from "~/ui/Button";
import { Center } from "~/ui/Center";
import { NoticeId } from "~/ui/Notice";
import text from "~/ui/text.module.css";

type FailureProps = { error: unknown; again: string; onAgain: () => void };

/** A page of which nothing can be shown: what happened, and the way to try again. */
export function Failure({ error, again, onAgain }: FailureProps): ReactNode {
  const problem = problemOf(error);
  return (
    <Center as="div" role="alert">
      <h1>{problem.title}</h1>
      <p className={text.muted}>{problem.detail}</p>
      {problem.requestId === null ? null : <NoticeId>{t.errors.requestId(problem.requestId)}</NoticeId>}
      <div>
        <Button onPress={onAgain}>{again}</Button>
      </div>
    </Center>
  );
}
