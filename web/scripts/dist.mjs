// Fails when the committed dist/ is not what the sources give, or when two builds differ.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const web = fileURLToPath(new URL('../', import.meta.url));
const dist = join(web, 'dist');

const digests = (folder) => Object.fromEntries(
  readdirSync(folder, { recursive: true }).sort().filter((name) => statSync(join(folder, name)).isFile())
    .map((name) => [name, createHash('sha256').update(readFileSync(join(folder, name))).digest('hex')]),
);

const kept = mkdtempSync(join(tmpdir(), 'vantage-dist-'));
cpSync(dist, kept, { recursive: true });
let wrong = [];
try {
  const committed = digests(dist);
  for (const build of ['first', 'second']) {
    execFileSync(process.execPath, [join(web, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'error'], { cwd: web, stdio: 'inherit' });
    execFileSync(process.execPath, [join(web, 'scripts/licences.mjs')], { stdio: 'inherit' });
    const fresh = digests(dist);
    wrong = [...new Set([...Object.keys(committed), ...Object.keys(fresh)])].filter((name) => committed[name] !== fresh[name]);
    if (wrong.length > 0) {
      console.error(`dist/ differs from the ${build} fresh build: ${wrong.join(', ')}\nrun: npm run build, and commit web/dist`);
      process.exitCode = 1;
      break;
    }
  }
} finally {
  rmSync(dist, { recursive: true });
  cpSync(kept, dist, { recursive: true });
  rmSync(kept, { recursive: true });
}
if (wrong.length === 0) console.log('dist/ is what the sources give, twice');
