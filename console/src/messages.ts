/**
 * Every word an end user reads is here or in `messages/`; `messages.test.ts` fails on text anywhere else.
 * Sentence case, second person; a button names its act; an error says what happened, what it did to work and money,
 * and what to do.
 */
import { account } from "./messages/account";
import { allocations } from "./messages/allocations";
import { approvals } from "./messages/approvals";
import { billing } from "./messages/billing";
import { errors } from "./messages/errors";
import { helpers } from "./messages/helpers";
import { launch } from "./messages/launch";
import { money } from "./messages/money";
import { notices } from "./messages/notices";
import { operator } from "./messages/operator";
import { refunds } from "./messages/refunds";
import { settings } from "./messages/settings";
import { shell } from "./messages/shell";
import { terminal } from "./messages/terminal";
import { units } from "./messages/units";

export const t = { account, allocations, approvals, billing, errors, helpers, launch, money, notices, operator, refunds, settings, shell, terminal, units };
