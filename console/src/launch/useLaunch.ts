import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "react-router";
import { launch } from "~/api/commands";
import { useIntent } from "~/api/intent";
import { Problem } from "~/errors";
import { to } from "~/paths";

export type LaunchInput = { offer: string; price: string; name: string; openTerminal: boolean };

const asked = ({ offer, price, name }: LaunchInput) => ({ offer_id: offer, price_id: price, ...(name === "" ? {} : { name }) });

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
  const mutation = useMutation({
    mutationFn: (input: LaunchInput) => launch(keyFor(asked(input)), asked(input)),
    onSuccess: (allocation, { openTerminal }) => {
      void client.invalidateQueries();
      void navigate(to.allocation(allocation.id, openTerminal ? { open: "terminal" } : {}), { replace: key !== undefined });
    },
    onError: (error) => {
      if (priceChanged(error)) void client.invalidateQueries({ predicate: ({ queryKey }) => String(queryKey[1]).endsWith("/offers") });
    },
  });
  return { ...mutation, keyOf: (input: LaunchInput) => keyFor(asked(input)) };
}
