import type { Allocation } from "~/api/types";
import { formatBytes } from "~/format/shape";
import { t } from "~/messages";
import { Facts } from "~/ui/Facts";
import { Moment } from "~/ui/figures";
import { Panel } from "~/ui/Panel";
import text from "~/ui/text.module.css";

const words = t.allocations.traffic;

/** What its network has carried, as its node counts it, and as of when. */
export function Traffic({ traffic }: { traffic: Allocation["traffic"] }) {
  return (
    <Panel title={words.title}>
      {traffic === null ? (
        <p className={text.muted}>{words.none}</p>
      ) : (
        <>
          <Facts
            rows={[
              [words.came, formatBytes(traffic.in_bytes)],
              [words.went, formatBytes(traffic.out_bytes)],
              [words.seen, <Moment key="seen" at={traffic.seen_at} />],
            ]}
          />
          <p className={text.help}>{words.help}</p>
        </>
      )}
    </Panel>
  );
}
