import text from "~/ui/text.module.css";

/** A sentence of the server, in which a command stands between backticks. */
export function Prose({ children }: { children: string }) {
  return (
    <span className={text.break}>
      {children.split("`").map((part, place) =>
        // The parts of a sentence never change places.
        // oxlint-disable-next-line react/no-array-index-key
        place % 2 === 1 ? <code key={place}>{part}</code> : part,
      )}
    </span>
  );
}
