// A certified OpenID provider on loopback, for tests/api/oidc.rs: its users log in by themselves, and on demand it writes
// ID tokens that are wrong in one way, with its own good key.
//
//   node tests/oidc/provider.mjs REDIRECT_URI     prints the issuer, then serves until its input ends
//
// GET /test?user=NAME&bad=WAY sets who logs in next and what is wrong with the token; WAY is one of the keys of WRONG.

import { createRequire } from 'node:module';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const load = async (name) => import(pathToFileURL(require.resolve(name)));
const { default: Provider } = await load('oidc-provider');
const { SignJWT, decodeJwt, importJWK } = await load('jose');

// The provider tells notices by this; nobody reads our output after its first line.
console.info = console.warn;

const [redirect] = process.argv.slice(2);
const CLIENT = { client_id: 'vantage', client_secret: 'the secret of the client, long enough for HS256' };
const USERS = {
  an: { groups: ['traffic', 'chiefs'] },
  binh: { groups: ['north'] },
  chi: { groups: ['kitchen'] },
  admin: { groups: ['chiefs'] },
  'an other': { groups: ['chiefs'] },
};

const key = (kid) => ({ ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' });
const [ours, foreign] = [key('ours'), { ...key('ours') }];
const now = () => Math.floor(Date.now() / 1000);

/** What may be wrong with a token: changed claims, and how it is signed. */
const WRONG = {
  audience: { aud: 'another-client' },
  issuer: { iss: 'https://login.example.org' },
  expired: { iat: now() - 7200, exp: now() - 3600 },
  nonce: { nonce: randomUUID() },
  subjectless: { sub: undefined },
  key: {},
  secret: {},
  none: {},
};

async function spoilt(token, way) {
  const claims = { ...decodeJwt(token), ...WRONG[way] };
  for (const [name, value] of Object.entries(claims)) if (value === undefined) delete claims[name];
  const unsigned = (header) => [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  if (way === 'none') return `${unsigned({ alg: 'none' })}.`;
  const jwt = new SignJWT(claims);
  if (way === 'secret') return jwt.setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(CLIENT.client_secret));
  return jwt.setProtectedHeader({ alg: 'RS256', kid: 'ours' }).sign(await importJWK(way === 'key' ? foreign : ours, 'RS256'));
}

let next = { user: 'an', bad: '' };
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ ...CLIENT, redirect_uris: [redirect], grant_types: ['authorization_code'], response_types: ['code'] }],
    jwks: { keys: [ours] },
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id.replace(/^id-/, ''), ...USERS[id.replace(/^id-/, '')] }) }),
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    cookies: { keys: [randomUUID()] },
  });
  provider.use(async (ctx, go) => {
    if (ctx.path === '/test') {
      next = { user: ctx.query.user ?? 'an', bad: ctx.query.bad ?? '' };
      ctx.body = 'ok';
      return;
    }
    if (ctx.path.startsWith('/interaction/')) {
      const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res);
      if (next.bad === 'denied') {
        await provider.interactionFinished(ctx.req, ctx.res, { error: 'access_denied', error_description: 'the user said no' });
      } else if (prompt.name === 'login') {
        await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: `id-${next.user}` } });
      } else {
        const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
        grant.addOIDCScope(params.scope);
        await provider.interactionFinished(ctx.req, ctx.res, { consent: { grantId: await grant.save() } });
      }
      ctx.respond = false;
      return;
    }
    await go();
    if (ctx.path === '/token' && ctx.body?.id_token && next.bad in WRONG) ctx.body.id_token = await spoilt(ctx.body.id_token, next.bad);
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
process.stdin.resume().on('end', () => process.exit());
