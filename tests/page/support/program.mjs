// The real program on real pictures: clips served as RTSP cameras, a pipeline that watches them, the page's port.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const BUILT = ['target/release/vantage', 'target/debug/vantage'].map((path) => join(ROOT, path));
// Of several builds the latest is meant.
const latest = BUILT.filter(existsSync).sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
export const PROGRAM = process.env.VANTAGE_BIN ?? latest ?? BUILT[0];
export const CHROMIUM = process.env.VANTAGE_CHROMIUM ?? '/usr/bin/chromium';

/** Why the browser tests cannot run here; undefined when they can. */
export const cannotRun = [PROGRAM, CHROMIUM].filter((path) => !existsSync(path)).map((path) => `skipped: ${path} is not there`)[0];

/** The cameras of a site; `fps` is how many pictures a second are analysed. */
export const CAMERAS = [
  { clip: 'junction', name: 'Ngã tư Nguyễn Huệ – Lê Lợi', ward: 'ben-nghe', place: '{lat: 10.7743, lon: 106.7030, heading: 40}' },
  { clip: 'stopped-lorry', name: 'Cầu Thủ Thiêm', ward: 'thu-thiem', place: '{lat: 10.7866, lon: 106.7187, heading: 90}' },
  { clip: 'wrong-way', name: 'Đường Tôn Đức Thắng', ward: 'ben-nghe', place: '{lat: 10.7795, lon: 106.7065, heading: 180}' },
];

const freePort = () => new Promise((done) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});

/** Waits until `look` gives something, and says what was waited for when it never does. */
export async function until(what, look, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise((done) => setTimeout(done, 200));
  }
}

/** A child whose output is kept, and which is ended by its own process id. */
function start(args, log) {
  const child = spawn(PROGRAM, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const keep = (data) => {
    text += data;
    writeFileSync(log, text);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const ended = new Promise((done) => child.once('exit', done));
  return {
    pid: child.pid,
    text: () => text,
    alive: () => child.exitCode === null && child.signalCode === null,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await ended;
    },
  };
}

/** One site: cameras and the program, in a folder of its own that goes with it. */
export class Site {
  folder = mkdtempSync(join(tmpdir(), 'vantage-page-'));
  #cameras = new Map();
  #program;

  static async begin(cameras = CAMERAS) {
    const site = new Site();
    for (const camera of cameras) await site.startCamera(camera.clip, await freePort());
    await site.#open((head) => head + site.#camerasOf(cameras));
    return site;
  }

  /** One process serves all clips; `camerasOf` makes the list of cameras of their addresses. */
  static async serving(clips, camerasOf, models = '') {
    const site = new Site();
    const port = await freePort();
    const child = start(['camera', ...clips, '--listen', `127.0.0.1:${port}`], join(site.folder, 'cameras.log'));
    const all = () => child.text().match(/rtsp:\/\/\S+/g) ?? [];
    await until('the cameras', () => all().length >= clips.length);
    site.#cameras.set('all', { child, port });
    await site.#open((head) => head.replace('cameras:\n', `${models}cameras:\n`) + camerasOf(all().slice(0, clips.length)));
    return site;
  }

  async #open(text) {
    this.port = await freePort();
    this.base = `http://127.0.0.1:${this.port}`;
    this.pipeline = join(this.folder, 'pipeline.yaml');
    mkdirSync(join(this.folder, 'store'), { recursive: true });
    writeFileSync(this.pipeline, text(this.#head()));
    writeFileSync(join(this.folder, 'outline.geojson'), readFileSync(new URL('./outline.geojson', import.meta.url)));
    await this.run();
  }

  async startCamera(clip, port = this.#cameras.get(clip).port) {
    const child = start(['camera', join(ROOT, 'test-media', clip, 'clip.mp4'), '--listen', `127.0.0.1:${port}`], join(this.folder, `${clip}.log`));
    this.#cameras.set(clip, { child, port });
    const url = await until(`the camera ${clip}`, () => child.text().match(/rtsp:\/\/\S+/)?.[0]);
    this.#cameras.set(clip, { child, port, url });
  }

  stopCamera(clip) {
    return this.#cameras.get(clip).child.stop();
  }

  async run() {
    this.#program = start(['run', '--quiet', this.pipeline], join(this.folder, 'run.log'));
    await until('the page', async () => {
      if (!this.#program.alive()) throw new Error(`the program ended:\n${this.#program.text()}`);
      return fetch(this.base, { signal: AbortSignal.timeout(2000) }).then((answer) => answer.ok).catch(() => false);
    });
    this.password ??= await until('the one-time password', () => this.#program.text().match(/one-time password: (\S+)/)?.[1], 10);
  }

  stopProgram(signal) {
    return this.#program.stop(signal);
  }

  log() {
    return this.#program.text();
  }

  /** The program's process id. */
  get pid() {
    return this.#program.pid;
  }

  async end() {
    await this.#program?.stop();
    for (const { child } of this.#cameras.values()) await child.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #head() {
    return [
      'version: 1', 'store: {path: ./store}', 'tracks: {path: ./tracks}', 'server:', `  listen: 127.0.0.1:${this.port}`,
      '  site_name: Quận 1', '  time_zone: Asia/Ho_Chi_Minh',
      ...(process.env.VANTAGE_MAP === 'off' ? [] : ['  map: {outline: ./outline.geojson}']),
      'inference: {workers: 1}', 'models:', `  default: {path: ${join(ROOT, 'models/street')}}`, 'cameras:', '',
    ].join('\n');
  }

  #camerasOf(cameras) {
    const text = [];
    for (const { clip, name, ward, place, fps = 4 } of cameras) {
      const written = readFileSync(join(ROOT, 'pipelines', `${clip}.yaml`), 'utf8');
      const body = written.slice(written.indexOf('cameras:') + 'cameras:\n'.length)
        .replace(/^ {4}(url|starts_at): .*\n/gm, '')
        .replace(/^( {2}- id: .*\n)/, `$1    url: ${this.#cameras.get(clip).url}\n    analyse_fps: ${fps}\n    name: "${name}"\n    ward: ${ward}\n    place: ${place}\n`);
      text.push(body.trimEnd());
    }
    return `${text.join('\n')}\n`;
  }
}
