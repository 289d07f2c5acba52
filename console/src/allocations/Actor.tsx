import { useMe, useMembers } from "~/api/reads";
import { t } from "~/messages";
import text from "~/ui/text.module.css";

const named = t.allocations.history.actor;

/** Who did something: a person by name where it is known here, Sublet by its own, else the id as it is. */
export function Actor({ id }: { id: string }) {
  const { data: me } = useMe();
  const members = useMembers();
  if (named[id] !== undefined) return named[id];
  if (me?.user.id === id) return <span title={id}>{me.user.name}</span>;
  const member = members.find(({ user_id }) => user_id === id);
  return member === undefined ? <code className={text.break}>{id}</code> : <span title={id}>{member.name}</span>;
}
