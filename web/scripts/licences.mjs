// Writes dist/licences.txt: the licences of what the built page carries of others.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';

const CARRIED = ['svelte', 'uplot', 'maplibre-gl', 'pmtiles', '@fontsource-variable/inter'];

const texts = CARRIED.map((name) => {
  const folder = new URL(`../node_modules/${name}/`, import.meta.url);
  const { version, license } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'));
  const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  const text = file ? readFileSync(new URL(file, folder), 'utf8').trim() : license;
  return `${name} ${version} (${license})\n\n${text}\n`;
});
writeFileSync(new URL('../dist/licences.txt', import.meta.url), texts.join(`\n${'-'.repeat(80)}\n\n`));
