import { useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { useNavigate } from "react-router";
import { launch, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import { refresh } from "~/api/stale";
import { Problem } from "~/errors";
import { to } from "~/paths";
import { pairsIn } from "./given";

export type LaunchInput = { offer: string; price: string; name: string; openTerminal: boolean; script: string; variables: string; labels: string };

/** The fields that have something in them. */
const filled = (lines: string) => {
  const pairs = pairsIn(lines);
  return pairs === null || Object.keys(pairs).length === 0 ? null : pairs;
};

function asked({ offer, price, name, script, variables, labels }: LaunchInput) {
  const [environment, tags] = [filled(variables), filled(labels)];
  return {
    offer_id: offer,
    price_id: price,
    ...(name === "" ? {} : { name }),
    ...(script === "" ? {} : { startup_script: script }),
    ...(environment === null ? {} : { environment }),
    ...(tags === null ? {} : { labels: tags }),
  };
}

/** Whether something goes along that no address may carry. */
export const isMore = ({ script, variables, labels }: LaunchInput) => script !== "" || filled(variables) !== null || filled(labels) !== null;

/** Whether a launch was refused because there is too little money. */
export function lacksFunds(error: unknown): boolean {
  return error instanceof Problem && (error.status === 402 || error.code === "insufficient_funds");
}

/** Whether a launch was refused because the price shown is no longer the one in effect. */
export function priceChanged(error: unknown): boolean {
  return error instanceof Problem && error.code === "price_changed";
}

/**
 * Launches, then goes to the allocation. A repeat of the same launch, also after paying, carries the same key; and then
 * the allocation takes the place of the address that launches by itself, so that Back does not launch once more.
 */
export function useLaunch(key: string | undefined) {
  const keyFor = useIntent(key);
  const navigate = useNavigate();
  const client = useQueryClient();
  const openTerminal = useRef(false);
  const { mutate, ...launching } = useCommand(launch, {
    onSuccess: ({ id }) => void navigate(to.allocation(id, openTerminal.current ? { open: "terminal" } : {}), { replace: key !== undefined }),
    onError: (error) => {
      if (priceChanged(error)) void refresh(client, ["/api/v1/offers"]);
    },
  });
  const keyOf = (input: LaunchInput) => keyFor(asked(input));
  return {
    ...launching,
    keyOf,
    launch(input: LaunchInput) {
      openTerminal.current = input.openTerminal;
      mutate({ key: keyOf(input), body: asked(input) });
    },
  };
}
