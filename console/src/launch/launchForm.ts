import { zodResolver } from "@hookform/resolvers/zod";
import { useForm } from "react-hook-form";
import * as z from "zod/mini";
import { t } from "~/messages";
import { pairsIn } from "./given";

const words = t.launch;

const NAME = /^(?:[a-z][a-z0-9-]{1,30})?$/;

const SCRIPT_BYTES = 64 * 1024;

const lines = (invalid: string) => z.string().check(z.refine((value) => pairsIn(value) !== null, invalid));

const schema = z.object({
  name: z.string().check(z.regex(NAME, words.nameInvalid)),
  openTerminal: z.boolean(),
  script: z.string().check(z.refine((value) => new Blob([value]).size <= SCRIPT_BYTES, words.advanced.scriptTooLong)),
  variables: lines(words.advanced.variablesInvalid),
  labels: lines(words.advanced.labelsInvalid),
});

export type LaunchValues = z.infer<typeof schema>;

/** What is asked before a launch. */
export const useLaunchForm = (defaultValues: LaunchValues) => useForm({ resolver: zodResolver(schema), mode: "onChange", defaultValues });
