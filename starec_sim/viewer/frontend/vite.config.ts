import { defineConfig } from "vite";

// `npm run build` writes ../static, which is committed: names are stable, so that a change of the
// sources changes the same three files. `npm run dev` shows the sources in front of a running
// `starec view --port 7575`, whose answers it passes on.
export default defineConfig({
  base: "./",
  build: {
    outDir: "../static",
    emptyOutDir: true,
    sourcemap: false,
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    target: "es2022",
    rolldownOptions: {
      output: {
        entryFileNames: "app.js",
        chunkFileNames: "app.js",
        assetFileNames: "app[extname]",
      },
    },
  },
  server: {
    host: "127.0.0.1",
    proxy: {
      "/api": {
        target: "http://127.0.0.1:7575",
        changeOrigin: true,
        headers: { origin: "http://127.0.0.1:7575" },
      },
    },
  },
});
