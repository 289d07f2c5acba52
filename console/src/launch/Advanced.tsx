import type { Control } from "react-hook-form";
import { t } from "~/messages";
import { Disclosure } from "~/ui/Disclosure";
import { Field } from "~/ui/form";
import layout from "~/ui/layout.module.css";
import type { LaunchValues } from "./launchForm";

const words = t.launch.advanced;

/** What goes along with a launch for those who want that; closed until somebody does, or has. */
export function Advanced({ control, open }: { control: Control<LaunchValues>; open: boolean }) {
  return (
    <Disclosure summary={words.summary} open={open}>
      <div className={layout.stack}>
        <Field control={control} name="script" label={words.script} help={words.scriptHelp} multiline mono optional />
        <Field control={control} name="variables" label={words.variables} help={words.variablesHelp} multiline mono optional />
        <Field control={control} name="labels" label={words.labels} help={words.labelsHelp} multiline mono optional />
      </div>
    </Disclosure>
  );
}
