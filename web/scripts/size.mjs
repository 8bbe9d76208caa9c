// Fails when the page has outgrown its budget: all that any page but the map loads, gzipped, fonts included.
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const BUDGET_KIB = 200;
/** What only the map page loads. */
const MAP = /^(MapPage|library|maplibre|esm)/;

const folder = new URL('../dist/', import.meta.url);
const files = readdirSync(folder, { recursive: true }).filter((name) => /\.(js|mjs|css|woff2|html|svg)$/.test(name));
const sizes = files.map((name) => {
  const bytes = readFileSync(new URL(name, folder));
  return { name, size: name.endsWith('.woff2') ? bytes.length : gzipSync(bytes, { level: 9 }).length };
});
const isMap = ({ name }) => MAP.test(name.split('/').at(-1));
const sum = (some) => some.reduce((total, { size }) => total + size, 0) / 1024;
const [map, page] = [sizes.filter(isMap), sizes.filter((one) => !isMap(one))];
for (const { name, size } of page.sort((a, b) => b.size - a.size)) console.log(`${(size / 1024).toFixed(1).padStart(8)} KiB  ${name}`);
console.log(`${sum(page).toFixed(1).padStart(8)} KiB  without the map (budget ${BUDGET_KIB}); the map page adds ${sum(map).toFixed(1)}`);
if (map.length < 4) throw new Error('the map is no longer in files of its own: MAP in this script has to follow');
if (sum(page) > BUDGET_KIB) process.exitCode = 1;
