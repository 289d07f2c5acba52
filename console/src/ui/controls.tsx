/** Plain controls of forms and of filters. */
import type { ComponentProps, ReactNode } from "react";
import css from "./controls.module.css";

/** A box to tick, with what it means. */
export function Check({ children, ...input }: Omit<ComponentProps<"input">, "type" | "className"> & { children: ReactNode }) {
  return (
    <label className={css.check}>
      <input type="checkbox" {...input} />
      {children}
    </label>
  );
}

/** One of many, by name. */
export function Select(props: Omit<ComponentProps<"select">, "className">) {
  return <select className={css.select} {...props} />;
}
