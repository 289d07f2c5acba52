import type { Finding } from "~/api/types";
import { t } from "~/messages";
import { ExactAmount } from "~/ui/figures";
import text from "~/ui/text.module.css";

const words = t.money.findings;

/** What people wrote about a finding: the texts of its detail, in order. */
const saidOf = ({ detail }: Finding) => Object.entries(detail).filter((pair): pair is [string, string] => typeof pair[1] === "string");

/** What does not fit, of what, and what is known about it. */
export function FindingWhat({ finding }: { finding: Finding }) {
  return (
    <span className={text.break}>
      <code className={text.cellMain}>{finding.code}</code>
      <span className={text.cellSub}>{words.subject(finding.subject.type, finding.subject.id)}</span>
      {saidOf(finding).map(([name, said]) => (
        <span key={name} className={text.cellSub}>
          {said}
        </span>
      ))}
    </span>
  );
}

/** The amounts that do not fit, by name. */
export function FindingMoney({ finding: { amounts } }: { finding: Pick<Finding, "amounts"> }) {
  const named = Object.entries(amounts);
  if (named.length === 0) return t.units.none;
  return (
    <span>
      {named.map(([name, money]) => (
        <span key={name} className={text.cellSub}>
          {words.amount(name)} <ExactAmount money={money} />
        </span>
      ))}
    </span>
  );
}
