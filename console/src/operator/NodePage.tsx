import { useState } from "react";
import { Link, useParams } from "react-router";
import { cordon, newJoin, uncordon, useCommand } from "~/api/commands";
import { newKey } from "~/api/intent";
import { useMembers, useNode } from "~/api/reads";
import type { NodeDetail } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import { nodeState } from "~/states";
import { ActionButton, actionNamed, Button } from "~/ui/Button";
import { Confirm } from "~/ui/Confirm";
import layout from "~/ui/layout.module.css";
import { ErrorNotice } from "~/ui/Notice";
import { Page } from "~/ui/Page";
import { Freshness, QueryView } from "~/ui/QueryView";
import { Status } from "~/ui/Status";
import { Enrolment } from "./Enrolment";
import { Gpus } from "./Gpus";
import { JoinCommand } from "./JoinCommand";
import { NodeApproval } from "./NodeApproval";
import { NodeCorrection } from "./NodeCorrection";
import { NodeHistory } from "./NodeHistory";
import { NodeLife } from "./NodeLife";
import { Capabilities, Capacity, Facts, Strangers } from "./NodePanels";
import { NodePorts } from "./NodePorts";
import { Residents, SelfTest } from "./Residents";

const words = t.operator.node;

function CordonButtons({ node }: { node: NodeDetail }) {
  const [asking, setAsking] = useState(false);
  const opening = useCommand(uncordon);
  const uncordonAction = actionNamed(node.actions, "uncordon");
  return (
    <>
      {opening.isError ? <ErrorNotice error={opening.error} /> : null}
      {uncordonAction?.allowed ? (
        <Button variant="primary" isPending={opening.isPending} onPress={() => opening.mutate(node.id)}>
          {words.uncordon}
        </Button>
      ) : (
        <ActionButton action={actionNamed(node.actions, "cordon")} hideReason onPress={() => setAsking(true)}>
          {words.cordon}
        </ActionButton>
      )}
      {asking ? (
        <Confirm
          title={words.cordonTitle(node.name)}
          consequences={words.cordonConsequences}
          confirm={words.cordon}
          danger={false}
          command={cordon}
          input={node.id}
          onClose={() => setAsking(false)}
        />
      ) : null}
    </>
  );
}

function Joining({ node }: { node: NodeDetail }) {
  const asking = useCommand(newJoin, { gcTime: 0 });
  return (
    <>
      {asking.data === undefined ? null : <JoinCommand join={asking.data} />}
      {asking.isError ? <ErrorNotice error={asking.error} /> : null}
      <Enrolment node={node} />
      <div>
        <Button isPending={asking.isPending} onPress={() => asking.mutate({ key: newKey(), id: node.id })}>
          {words.newJoin}
        </Button>
      </div>
    </>
  );
}

export function NodePage() {
  const { id = "" } = useParams();
  const query = useNode(id);
  // For the names in its history; asked for now, not when the history has come.
  useMembers();
  const node = query.data;
  return (
    <Page
      name={node?.name ?? id}
      crumb={<Link to={to.operator.nodes()}>{t.operator.nodes.title}</Link>}
      title={
        <>
          {node?.name ?? id} {node === undefined ? null : <Status look={nodeState(node.state)} />}
        </>
      }
      lead={node === undefined ? undefined : <code>{node.id}</code>}
      actions={
        <>
          <Freshness query={query} />
          {node === undefined ? null : <NodePorts node={node} />}
          {node === undefined ? null : <NodeCorrection node={node} />}
          {node === undefined ? null : <CordonButtons node={node} />}
        </>
      }
    >
      <QueryView query={query}>
        {(found) => (
          <div className={layout.columns}>
            <div className={layout.stack} data-gap="24">
              <Strangers strangers={found.strangers} />
              <NodeApproval node={found} />
              <NodeLife node={found} />
              <SelfTest test={found.self_test} />
              {nodeState(found.state).enrols ? <Joining node={found} /> : <Capacity node={found} />}
              {found.inventory === null ? null : <Gpus node={found} gpus={found.inventory.gpus} />}
              <Residents residents={found.residents} />
              <Capabilities node={found} />
              <NodeHistory history={found.history} />
            </div>
            <Facts node={found} />
          </div>
        )}
      </QueryView>
    </Page>
  );
}
