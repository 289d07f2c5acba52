import "./styles";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createBrowserRouter } from "react-router";
import { RouterProvider } from "react-router/dom";
import { QueryClientProvider } from "@tanstack/react-query";
import { prefetchOnIntent } from "./app/prefetch";
import { createQueryClient } from "./app/queryClient";
import { routesOf } from "./app/routes";

const root = document.getElementById("root");
if (root !== null) {
  const client = createQueryClient();
  const routes = routesOf(client);
  prefetchOnIntent(document, routes);
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <RouterProvider router={createBrowserRouter(routes)} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
