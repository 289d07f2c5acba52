import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Header, Menu, MenuItem, MenuSection, MenuTrigger, Popover, Separator } from "react-aria-components";
import { signOut, useCommand } from "~/api/commands";
import { useMe } from "~/api/reads";
import { t } from "~/messages";
import { to } from "~/paths";
import { Button } from "~/ui/Button";
import { Dialog } from "~/ui/Dialog";
import { CheckIcon, PersonIcon } from "~/ui/icons";
import { ErrorNotice } from "~/ui/Notice";
import text from "~/ui/text.module.css";
import css from "./AccountMenu.module.css";
import { chooseTheme, chosenTheme, type Theme } from "./theme";

const THEMES: Theme[] = ["system", "light", "dark"];

/** Who is signed in, the colour scheme, and the way out. */
export function AccountMenu() {
  const { data: me } = useMe();
  const client = useQueryClient();
  const [theme, setTheme] = useState(chosenTheme);
  const leaving = useCommand(signOut, {
    onSuccess: () => {
      client.clear();
      // A whole new page: nothing of the last session is left in memory.
      window.location.assign(to.signIn());
    },
  });
  const choose = (next: Theme) => {
    chooseTheme(next);
    setTheme(next);
  };
  return (
    <>
      <MenuTrigger>
        <Button variant="quiet" size="icon" aria-label={t.shell.account}>
          <PersonIcon />
        </Button>
        <Popover className={css.popover} placement="bottom end">
          <div className={css.head}>
            <div>{me?.user.name}</div>
            <div className={text.faint}>{me?.user.email}</div>
          </div>
          <Menu className={css.menu} aria-label={t.shell.account}>
            <MenuSection
              selectionMode="single"
              selectedKeys={[theme]}
              disallowEmptySelection
              onSelectionChange={(keys) => choose([...(keys as Set<Theme>)][0] ?? "system")}
            >
              <Header className={css.head}>{t.shell.theme.label}</Header>
              {THEMES.map((name) => (
                <MenuItem key={name} id={name} className={css.item} textValue={t.shell.theme[name]}>
                  {({ isSelected }) => (
                    <>
                      {t.shell.theme[name]}
                      <span className={css.check}>{isSelected ? <CheckIcon /> : null}</span>
                    </>
                  )}
                </MenuItem>
              ))}
            </MenuSection>
            <Separator className={css.line} />
            <MenuItem id="sign-out" className={css.item} onAction={() => leaving.mutate(undefined)}>
              {t.shell.signOut}
            </MenuItem>
          </Menu>
        </Popover>
      </MenuTrigger>
      {leaving.isError ? (
        <Dialog title={t.shell.notSignedOut} onClose={leaving.reset}>
          <ErrorNotice error={leaving.error} onRetry={() => leaving.mutate(undefined)} />
        </Dialog>
      ) : null}
    </>
  );
}
