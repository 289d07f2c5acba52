import { zodResolver } from "@hookform/resolvers/zod";
import { useQueryClient } from "@tanstack/react-query";
import { useForm } from "react-hook-form";
import { Link, useSearchParams } from "react-router";
import * as z from "zod/mini";
import { signIn, useCommand } from "~/api/commands";
import { meQuery } from "~/api/queries";
import { t } from "~/messages";
import { to } from "~/paths";
import { Field, Form } from "~/ui/form";
import text from "~/ui/text.module.css";
import { AuthFrame } from "./AuthFrame";
import { isEmail } from "./email";

const words = t.account.signIn;

const schema = z.object({
  email: z.string().check(z.refine(isEmail, t.account.invalid.email)),
  password: z.string().check(z.minLength(1, t.account.invalid.passwordMissing)),
});

export function SignInPage() {
  const [search] = useSearchParams();
  const client = useQueryClient();
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { email: "", password: "" } });
  const entering = useCommand(signIn, { onSuccess: (me) => client.setQueryData(meQuery().queryKey, me) });
  return (
    <AuthFrame title={words.title}>
      <Form form={form} doing={entering} onSubmit={(values) => entering.mutate(values)} submit={words.submit} wide>
        <Field control={form.control} name="email" type="email" label={words.email} autoComplete="username" autoFocus />
        <Field control={form.control} name="password" type="password" label={words.password} autoComplete="current-password" />
      </Form>
      <p className={text.muted}>
        {words.other} <Link to={to.signUp(search.get("next") ?? undefined)}>{words.otherLink}</Link>
      </p>
    </AuthFrame>
  );
}
