import { cleanup, configure } from "@testing-library/react";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { begin } from "~mock/world";
import { server, wrongAnswers } from "./server";

// As long as `expect.poll` waits.
configure({ asyncUtilTimeout: 15_000 });

// A test of the development server asks real servers, and no page.
if (typeof window !== "undefined") {
  beforeAll(() => {
    server.listen({ onUnhandledFrame: "error" });
    window.scrollTo = () => undefined;
  });
  beforeEach(() => begin());
  afterEach(async () => {
    cleanup();
    server.resetHandlers();
    expect(await wrongAnswers()).toEqual([]);
  });
  afterAll(() => server.close());
}
