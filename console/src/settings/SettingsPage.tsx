import { useSearchParams } from "react-router";
import { t } from "~/messages";
import { SETTINGS_VIEWS, to } from "~/paths";
import { placeOf } from "~/places";
import { Page } from "~/ui/Page";
import { Tabs } from "~/ui/Tabs";
import { ApiTokens } from "./ApiTokens";
import { Notices } from "./Notices";
import { Sessions } from "./Sessions";
import { SshKeys } from "./SshKeys";

const words = t.settings;
const VIEWS = { keys: SshKeys, tokens: ApiTokens, sessions: Sessions, notices: Notices };

export function SettingsPage() {
  const [search] = useSearchParams();
  const { view } = placeOf.settings(search);
  const View = VIEWS[view];
  return (
    <Page name={words.title} title={words.title}>
      <Tabs label={words.tabs.label} current={view} tabs={SETTINGS_VIEWS.map((id) => ({ id, label: words.tabs[id], to: to.settings(id) }))} />
      <View />
    </Page>
  );
}
