// What is drawn over cameras' pictures: read once a camera, again when it was changed here.

import { cameras as api } from '../api';
import type { Scene } from '../api/types';
import { link } from './link.svelte';

class Scenes {
  #known = $state<Record<string, Scene | null>>({});
  #asked = new Set<string>();

  constructor() {
    link.onOpen(() => this.#asked.clear());
  }

  /** The scene, or null while it is not known. */
  of(camera: string): Scene | null {
    return this.#known[camera] ?? null;
  }

  async want(camera: string): Promise<void> {
    if (this.#asked.has(camera)) return;
    this.#asked.add(camera);
    try {
      this.put(camera, (await api.scene(camera)).value);
    } catch {
      this.#asked.delete(camera); // pictures without shapes are worth more than none
    }
  }

  put(camera: string, scene: Scene): void {
    this.#known[camera] = {
      zones: scene.zones ?? [], lines: scene.lines ?? [], lanes: scene.lanes ?? [], masks: scene.masks ?? [],
      ground: scene.ground ?? null,
    };
  }
}

export const scenes = new Scenes();
