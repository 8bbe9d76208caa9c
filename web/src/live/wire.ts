// Reads the live socket's binary messages: u32 little-endian length of the header, the header as JSON, then bytes.

import type { LiveObject } from '../api/types';

export interface TileHeader {
  kind: 'tile';
  camera: string;
  pts_ns: number;
  capture?: string | null;
  width: number;
  height: number;
  objects: LiveObject[];
  /** Whether the objects were found in this very picture; otherwise a moment before, and moved on since. */
  exact?: boolean;
  zones_active?: string[];
}

export type Header =
  | TileHeader
  | { kind: 'init'; camera: string; mime: string; pts_ns?: number }
  | { kind: 'no_video'; camera: string; reason: string }
  | { kind: 'segment'; camera: string; pts_ns: number; duration_ns: number }
  | { kind: 'objects'; camera: string; pts_ns: number; objects: LiveObject[] };

export interface Frame {
  header: Header;
  body: Uint8Array<ArrayBuffer>;
}

/** No header of ours is longer; a longer one is no header. */
const LONGEST_HEADER = 1 << 20;

const text = new TextDecoder('utf-8', { fatal: true });

/** The message's parts, or undefined when it is none of ours. */
export function read(message: ArrayBuffer): Frame | undefined {
  if (message.byteLength < 4) return undefined;
  const length = new DataView(message).getUint32(0, true);
  if (length > LONGEST_HEADER || 4 + length > message.byteLength) return undefined;
  let header: unknown;
  try {
    header = JSON.parse(text.decode(new Uint8Array(message, 4, length)));
  } catch {
    return undefined;
  }
  if (!isHeader(header)) return undefined;
  return { header, body: new Uint8Array(message, 4 + length) };
}

function isHeader(value: unknown): value is Header {
  if (!value || typeof value !== 'object') return false;
  const { kind, camera, objects, mime } = value as Record<string, unknown>;
  if (typeof camera !== 'string') return false;
  if (kind === 'tile' || kind === 'objects') return Array.isArray(objects) && objects.every(isObject);
  return kind === 'segment' || (kind === 'init' && typeof mime === 'string');
}

function isObject(value: unknown): value is LiveObject {
  const box = (value as LiveObject | null)?.box;
  return Array.isArray(box) && box.length === 4 && box.every(Number.isFinite);
}
