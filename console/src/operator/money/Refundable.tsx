import { Link } from "react-router";
import { useAdminPayments } from "~/api/books";
import type { Payment } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import { Facts } from "~/ui/Facts";
import { ExactAmount } from "~/ui/figures";
import text from "~/ui/text.module.css";

const words = t.money.preview;

const NAMES = ["paid", "spent", "refunded", "disputed", "available", "refundable"] as const;

/** What became of a payment, what of it can go back, and why no more. */
export function Refundable({ payment }: { payment: Payment }) {
  return (
    <>
      <Facts rows={NAMES.map((name) => [words.facts[name], <ExactAmount key={name} money={payment[name]} />])} />
      {payment.reason === null ? null : <p className={text.help}>{payment.reason}</p>}
    </>
  );
}

/** The same, looked up for a payment of a customer. */
export function RefundableOf({ organization, payment }: { organization: string; payment: string }) {
  const { data, isError } = useAdminPayments(organization);
  if (data === undefined) return isError ? null : <p className={text.help}>{words.reading}</p>;
  const found = data.items.find(({ top_up_id: id }) => id === payment);
  if (found !== undefined) return <Refundable payment={found} />;
  return (
    <p className={text.help}>
      {words.elsewhere} <Link to={to.operator.money("payments", { organization })}>{t.money.views.payments}</Link>
    </p>
  );
}
