// Server-sent events over fetch. The browser's own EventSource gives up at the first answer that is no stream, as a
// restarting server gives one, and cannot resume by `Last-Event-ID` then; this one does both.

import { address } from '../api/http';

export interface Message {
  event: string;
  data: string;
  id: string;
}

/** Cuts a stream's text into messages (WHATWG HTML, 9.2.6). Text may come in any pieces. */
export class Parser {
  #rest = '';
  #event = '';
  #data: string[] = [];
  #id = '';

  push(text: string): Message[] {
    const messages: Message[] = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = this.#line(line);
      if (message) messages.push(message);
    }
    return messages;
  }

  #line(line: string): Message | undefined {
    if (line === '') {
      const message = { event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id };
      const has = this.#data.length > 0;
      this.#event = '';
      this.#data = [];
      return has ? message : undefined;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return undefined;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    return undefined;
  }
}

export interface Handlers {
  /** The stream is open; `resumed` when it goes on from an earlier one. */
  open(resumed: boolean): void;
  message(message: Message): void;
  /** The stream broke and will be tried again. */
  down(): void;
  /** The server does not know us any more. */
  unauthorised(): void;
}

/** Without a sign for so long (the server sends comments in between) the stream is dead, whatever TCP says. */
const SILENCE_MS = 45_000;
const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 8_000;

/** Follows a stream until it is told to stop. Gives the function that stops it. */
export function follow(path: string, handlers: Handlers): () => void {
  const stop = new AbortController();
  let lastId = '';

  async function once(): Promise<'unauthorised' | 'ended'> {
    const quiet = new AbortController();
    let timer = setTimeout(() => quiet.abort(), SILENCE_MS);
    const give = () => quiet.abort();
    stop.signal.addEventListener('abort', give);
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream' };
      if (lastId) headers['Last-Event-ID'] = lastId;
      const response = await fetch(address(path), { headers, signal: quiet.signal, cache: 'no-store' });
      if (response.status === 401) return 'unauthorised';
      if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
      handlers.open(lastId !== '');
      opened = true;
      const parser = new Parser();
      const decoder = new TextDecoder();
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return 'ended';
        clearTimeout(timer);
        timer = setTimeout(() => quiet.abort(), SILENCE_MS);
        for (const message of parser.push(decoder.decode(value, { stream: true }))) {
          if (message.id) lastId = message.id;
          handlers.message(message);
        }
      }
    } finally {
      clearTimeout(timer);
      stop.signal.removeEventListener('abort', give);
    }
  }

  let opened = false;
  void (async () => {
    let wait = FIRST_WAIT_MS;
    while (!stop.signal.aborted) {
      opened = false;
      const end = await once().catch(() => 'ended' as const);
      if (stop.signal.aborted) return;
      if (end === 'unauthorised') {
        handlers.unauthorised();
        return;
      }
      handlers.down();
      wait = opened ? FIRST_WAIT_MS : Math.min(wait * 2, LONGEST_WAIT_MS);
      // Jitter, so that a centre's browsers do not all come back in the same moment.
      await new Promise((done) => setTimeout(done, wait * (0.7 + Math.random() * 0.6)));
    }
  })();
  return () => stop.abort();
}
