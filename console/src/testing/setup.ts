import { format } from "node:util";
import { cleanup, configure } from "@testing-library/react";
import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from "vitest";
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
  // React and its libraries complain of what is wrong with a page by these, and only once of each kind.
  const complaints: string[] = [];
  const complain = (...said: unknown[]) => void complaints.push(format(...said));
  beforeEach(() => {
    complaints.length = 0;
    vi.spyOn(console, "error").mockImplementation(complain);
    vi.spyOn(console, "warn").mockImplementation(complain);
  });
  afterEach(async () => {
    cleanup();
    server.resetHandlers();
    expect(await wrongAnswers()).toEqual([]);
    expect(complaints).toEqual([]);
  });
  afterAll(() => server.close());
}
