import { setMaxListeners } from "node:events";

// Each page opens an events channel, and msw keeps an ear on each in one place; Node would take that for a leak. This is
// a file of its own because it counts only for what is made after it.
setMaxListeners(0);
