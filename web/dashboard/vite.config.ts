import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/* Beside each file the same packed, and how large both are. */
function packed(): Plugin {
  let folder = "";
  return {
    name: "packed",
    configResolved(config) {
      folder = resolve(config.root, config.build.outDir);
    },
    closeBundle() {
      for (const name of readdirSync(folder).filter((file) => !file.endsWith(".gz"))) {
        const path = resolve(folder, name);
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
        console.log(
          `dashboard: ${name} ${statSync(path).size} bytes, ${statSync(`${path}.gz`).size} packed`,
        );
      }
    },
  };
}

/* Names are without a hash, as CMake lists them; the server has answers not stored. */
export default defineConfig({
  base: "/",
  logLevel: "warn",
  build: {
    emptyOutDir: true,
    modulePreload: false,
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    rollupOptions: {
      output: {
        entryFileNames: "dashboard.js",
        inlineDynamicImports: true,
        assetFileNames: "dashboard[extname]",
      },
    },
  },
  plugins: [packed()],
});
