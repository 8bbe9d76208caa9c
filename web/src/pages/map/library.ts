// MapLibre and its worker, both from our own address.

import * as maplibre from 'maplibre-gl';
import workerAddress from 'maplibre-gl/dist/maplibre-gl-worker.mjs?url';

let prepared = false;

export async function prepare(): Promise<void> {
  if (prepared) return;
  prepared = true;
  maplibre.setWorkerUrl(workerAddress);
  const { Protocol } = await import('pmtiles');
  maplibre.addProtocol('pmtiles', new Protocol().tile);
}

export { maplibre };
