// Every camera that this user may see, as it is now.

import { cameras as api } from '../api';
import type { Camera } from '../api/types';
import { known } from '../i18n';
import { link } from './link.svelte';
import { settings } from './settings.svelte';

/** How a camera stands, in the order of what needs a person first. */
export type Condition = 'lost' | 'unfit' | 'waiting' | 'running' | 'stopped';

const CONDITIONS: Record<string, Condition> = {
  running: 'running', live: 'running', unfit: 'unfit', connecting: 'waiting', stopped: 'stopped', finished: 'stopped',
};

export function conditionOf(camera: Camera): Condition {
  const condition = CONDITIONS[camera.state] ?? 'lost';
  return condition === 'running' && (camera.unfit?.length ?? 0) > 0 ? 'unfit' : condition;
}

/** Why a camera is not seen. The program's own words say more, and are English. */
export function causeOf(camera: Camera | undefined): string {
  if (!camera || conditionOf(camera) === 'running' || conditionOf(camera) === 'unfit') return '';
  const own = camera.reason ?? '';
  return (settings.language === 'en' && own) || known(`camera_cause.${camera.cause}`) || own;
}

export const nameOf = (camera: Camera | undefined, id = ''): string => camera?.name || camera?.id || id;

class Cameras {
  list = $state<Camera[]>([]);
  loaded = $state(false);
  failed = $state('');
  #byId = $derived(new Map(this.list.map((camera) => [camera.id, camera])));

  constructor() {
    link.onOpen(() => void this.load());
    link.on('camera', (camera) => this.#merge(camera));
  }

  get(id: string): Camera | undefined {
    return this.#byId.get(id);
  }

  get wards(): string[] {
    return [...new Set(this.list.map((camera) => camera.ward ?? '').filter(Boolean))].sort();
  }

  async load(): Promise<void> {
    try {
      this.list = await api.list();
      this.loaded = true;
      this.failed = '';
    } catch (error) {
      this.failed = error instanceof Error ? error.message : String(error);
    }
  }

  clear(): void {
    this.list = [];
    this.loaded = false;
  }

  /** A state told by the live socket, which is faster than the next full record. */
  tell(id: string, state: string, cause: string, reason: string): void {
    const camera = this.get(id);
    if (camera && (camera.state !== state || camera.reason !== reason)) {
      this.#merge({ ...camera, state, cause, reason });
    }
  }

  #merge(camera: Camera): void {
    if (!camera || typeof camera.id !== 'string') return;
    const at = this.list.findIndex((one) => one.id === camera.id);
    if (at < 0) this.list.push(camera);
    else this.list[at] = { ...this.list[at], ...camera };
  }
}

export const cameras = new Cameras();
