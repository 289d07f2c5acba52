import { useEffect, useRef, useState } from "react";
import { useWatch } from "react-hook-form";
import { useParams, useSearchParams } from "react-router";
import { useOffers } from "~/api/reads";
import type { Offer } from "~/api/types";
import { TopUpForm } from "~/billing/TopUpForm";
import { t } from "~/messages";
import { to } from "~/paths";
import { Empty } from "~/ui/Empty";
import layout from "~/ui/layout.module.css";
import { ErrorNotice, Notice } from "~/ui/Notice";
import { Page } from "~/ui/Page";
import { Panel } from "~/ui/Panel";
import { Freshness, QueryView } from "~/ui/QueryView";
import text from "~/ui/text.module.css";
import css from "./LaunchPage.module.css";
import { useLaunchForm } from "./launchForm";
import { ADD_FUNDS, LaunchTotal } from "./LaunchTotal";
import { needsFunds, OffersTable, refusal } from "./OffersTable";
import { ResumeLaunch } from "./ResumeLaunch";
import { isMore, lacksFunds, priceChanged, useLaunch } from "./useLaunch";

const words = t.launch;

/** The launch that an earlier visit of this page began, and the payment it waits for. */
function useTakenUp() {
  const { offer, price, key, then, name } = useParams();
  const [search] = useSearchParams();
  return {
    offer: offer ?? search.get("offer"),
    price,
    key,
    openTerminal: then !== "page",
    name: name ?? "",
    topUpId: key === undefined ? null : search.get("top_up"),
  };
}

const NOTHING_MORE = { script: "", variables: "", labels: "" };

/** What is chosen before anybody chooses: what can be launched, or could be if there were money. */
const first = (offers: Offer[]) => offers.find((offer) => refusal(offer) === null) ?? offers.find(needsFunds);

/** Takes money in the middle of a launch. After a press it comes into view: the button that led to it may be far away. */
function AddFunds({ error, currency, returnPath, again }: { error: unknown; currency: string; returnPath: string; again: boolean }) {
  const place = useRef<HTMLDivElement>(null);
  const pressed = error !== null;
  useEffect(() => {
    if (!pressed) return;
    place.current?.focus({ preventScroll: true });
    place.current?.scrollIntoView?.({ block: "nearest" });
  }, [pressed]);
  return (
    <div ref={place} id={ADD_FUNDS} tabIndex={-1} className={css.arrival}>
      <Panel title={words.funds.title}>
        {error === null ? null : <ErrorNotice error={error} />}
        <p className={text.muted}>{again ? words.funds.detailAgain : words.funds.detail}</p>
        <TopUpForm currency={currency} returnPath={returnPath} />
      </Panel>
    </div>
  );
}

function Chooser({ offers }: { offers: Offer[] }) {
  const taken = useTakenUp();
  const [chosen, setChosen] = useState(taken.offer ?? first(offers)?.id ?? null);
  const initial = { ...NOTHING_MORE, name: taken.name, openTerminal: taken.openTerminal };
  const form = useLaunchForm(initial);
  const typed = { ...initial, ...useWatch({ control: form.control }) };
  const launching = useLaunch(taken.key);
  const resumed = useRef(false);
  const offer = offers.find(({ id }) => id === chosen);

  const input = offer === undefined ? null : { ...typed, offer: offer.id, price: offer.price.id };
  const lacks = lacksFunds(launching.error) || (offer !== undefined && needsFunds(offer));
  const error = lacksFunds(launching.error) || priceChanged(launching.error) ? null : launching.error;

  // Once for each visit: whoever chooses something else after a failure launches that, and not this as well.
  const goOn = () => {
    if (resumed.current || taken.offer === null || taken.price === undefined) return;
    resumed.current = true;
    launching.launch({ ...NOTHING_MORE, ...taken, offer: taken.offer, price: taken.price });
  };

  return (
    <div className={layout.columns}>
      <div className={layout.stack} data-gap="24">
        {taken.topUpId === null || launching.isError ? null : (
          <ResumeLaunch topUpId={taken.topUpId} onPaid={goOn} />
        )}
        {priceChanged(launching.error) ? (
          <Notice tone="warn" title={words.priceChanged.title} role="alert">
            <p>{words.priceChanged.detail}</p>
          </Notice>
        ) : null}
        <Panel title={words.offers} flush>
          <OffersTable offers={offers} chosen={chosen} onChoose={setChosen} />
        </Panel>
        {lacks && offer !== undefined && input !== null ? (
          <AddFunds
            error={lacksFunds(launching.error) ? launching.error : null}
            currency={offer.price.per_hour.currency}
            again={isMore(input)}
            returnPath={isMore(input) ? to.launch() : to.resumeLaunch({ ...input, key: launching.keyOf(input) })}
          />
        ) : null}
      </div>
      {offer === undefined || input === null ? (
        <Panel title={words.total.title}>
          <p className={text.muted}>{words.total.nothing}</p>
        </Panel>
      ) : (
        <LaunchTotal offer={offer} form={form} doing={{ isPending: launching.isPending, error }} onLaunch={(values) => launching.launch({ ...input, ...values })} />
      )}
    </div>
  );
}

export function LaunchPage() {
  const query = useOffers();
  return (
    <Page name={words.title} title={words.title} lead={words.lead} actions={<Freshness query={query} />}>
      <QueryView query={query} skeleton="table">
        {({ items }) =>
          items.length > 0 ? (
            <Chooser offers={items} />
          ) : (
            <Panel flush>
              <Empty title={words.empty.title} detail={words.empty.detail} />
            </Panel>
          )
        }
      </QueryView>
    </Page>
  );
}
