/** All routes that the mock answers: those that the console asks. */
import { account } from "./handlers/account";
import { allocations } from "./handlers/allocations";
import { billing } from "./handlers/billing";
import { catalog } from "./handlers/catalog";
import { fleet } from "./handlers/fleet";
import { money } from "./handlers/money";
import { notices } from "./handlers/notices";
import { operators } from "./handlers/operators";

export const handlers = [...account, ...billing, ...catalog, ...fleet, ...money, ...operators, ...notices, ...allocations];
