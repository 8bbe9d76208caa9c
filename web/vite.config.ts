import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// Where `npm run dev` finds a running program; the built page is served by the program itself.
const server = 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte()],
  // Old enough for Debian's Chromium and Firefox ESR, so that nothing has to be polyfilled.
  build: {
    target: ['chrome115', 'firefox115', 'safari17'],
    assetsInlineLimit: 0, // the Content-Security-Policy allows no font from a data: address
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1600, // MapLibre, which only the map page loads
  },
  server: { proxy: { '/api': { target: server, ws: true } } },
});
