import { zodResolver } from "@hookform/resolvers/zod";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { Link, useSearchParams } from "react-router";
import * as z from "zod/mini";
import { signUp, useCommand } from "~/api/commands";
import { meQuery, termsQuery } from "~/api/queries";
import { t } from "~/messages";
import { to } from "~/paths";
import { Check } from "~/ui/controls";
import { Field, Form } from "~/ui/form";
import text from "~/ui/text.module.css";
import { AuthFrame } from "./AuthFrame";
import { isEmail } from "./email";
import { TermsLink } from "./TermsLink";

const words = t.account.signUp;
const PASSWORD_CHARACTERS = 12;

const schema = z.object({
  email: z.string().check(z.refine(isEmail, t.account.invalid.email)),
  password: z.string().check(z.minLength(PASSWORD_CHARACTERS, t.account.invalid.password)),
  name: z.string().check(z.trim(), z.minLength(1, t.account.invalid.name)),
  organization: z.string().check(z.trim()),
});

type Values = z.infer<typeof schema>;

const asked = ({ organization, ...rest }: Values) => ({ ...rest, ...(organization === "" ? {} : { organization_name: organization }) });

export function SignUpPage() {
  const [search] = useSearchParams();
  const client = useQueryClient();
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { email: "", password: "", name: "", organization: "" } });
  const terms = useQuery(termsQuery()).data?.terms ?? null;
  const [accepted, setAccepted] = useState(false);
  const [missing, setMissing] = useState(false);
  const joining = useCommand(signUp, { onSuccess: (me) => client.setQueryData(meQuery().queryKey, me) });
  return (
    <AuthFrame title={words.title}>
      <Form
        form={form}
        doing={joining}
        onSubmit={(values) => {
          setMissing(terms !== null && !accepted);
          if (terms === null) joining.mutate(asked(values));
          else if (accepted) joining.mutate({ ...asked(values), accepted_terms: terms.version });
        }}
        fieldNames={{ organization_name: "organization" }}
        submit={words.submit}
        wide
      >
        <Field control={form.control} name="email" type="email" label={words.email} autoComplete="username" autoFocus />
        <Field control={form.control} name="password" type="password" label={words.password} help={words.passwordHelp} autoComplete="new-password" />
        <Field control={form.control} name="name" label={words.name} autoComplete="name" />
        <Field control={form.control} name="organization" label={words.organization} help={words.organizationHelp} autoComplete="organization" optional />
        {terms === null ? null : (
          <div>
            <Check checked={accepted} onChange={(event) => setAccepted(event.target.checked)} aria-invalid={missing && !accepted}>
              <span>
                {t.account.terms.accept} <TermsLink terms={terms} />
              </span>
            </Check>
            {missing && !accepted ? (
              <p className={text.error} role="alert">
                {t.account.terms.missing}
              </p>
            ) : null}
          </div>
        )}
      </Form>
      <p className={text.muted}>
        {words.other} <Link to={to.signIn(search.get("next") ?? undefined)}>{words.otherLink}</Link>
      </p>
    </AuthFrame>
  );
}
