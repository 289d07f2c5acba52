import { t } from "~/messages";
import text from "~/ui/text.module.css";

const SHORT = 12;

/** A helper by its version, and by so much of its digest as tells it from another. */
export function HelperName({ helper: { version, sha256 } }: { helper: { version: string | null; sha256: string | null } }) {
  if (version === null) return <span className={text.faint}>{t.helpers.none}</span>;
  return (
    <span>
      {version}
      {sha256 === null ? null : (
        <>
          {" "}
          <code title={sha256}>{sha256.slice(0, SHORT)}</code>
        </>
      )}
    </span>
  );
}
