import { Link } from "react-router";
import { useCustomers } from "~/api/books";
import { to } from "~/paths";
import text from "~/ui/text.module.css";

/** A customer by name, where it is among those that are known here, with the way to its payments. */
export function Customer({ id }: { id: string }) {
  const name = useCustomers().data?.items.find((one) => one.id === id)?.name;
  return (
    <span>
      <Link to={to.operator.money("payments", { organization: id })}>{name ?? id}</Link>
      {name === undefined ? null : (
        <span className={text.cellSub}>
          <code>{id}</code>
        </span>
      )}
    </span>
  );
}
