// Writes src/api/schema.d.ts from the OpenAPI document of a running program, or of a file:
//   npm run api -- http://127.0.0.1:8080/api/v1/openapi.json
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const source = process.argv[2] ?? 'http://127.0.0.1:8080/api/v1/openapi.json';
const web = fileURLToPath(new URL('../', import.meta.url));
execFileSync(process.execPath, ['node_modules/openapi-typescript/bin/cli.js', source, '-o', 'src/api/schema.d.ts'], { cwd: web, stdio: 'inherit' });
