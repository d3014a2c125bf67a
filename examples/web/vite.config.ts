import { defineConfig } from "vite";

export default defineConfig({
  // Relative addresses: the folder can be served from any path.
  base: "./",
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    // A file inlined as a data: URL would need a looser Content-Security-Policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
  },
});
