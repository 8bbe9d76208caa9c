// What lies under the markers: the site's outline (GeoJSON), its tiles (PMTiles), both, or a plain ground.

import type { StyleSpecification } from 'maplibre-gl';
import { outline as readOutline } from '../../api';
import { address } from '../../api/http';

interface Outline {
  type: string;
  features?: { geometry?: { coordinates?: unknown } | null }[];
}

export interface Base {
  outline: Outline | null;
  tiles: boolean;
  centre: [number, number] | null;
  /** All corners of the outline. */
  corners: [number, number][];
}

export async function baseOf(): Promise<Base> {
  const [outline, tiles] = await Promise.all([
    readOutline().then((found) => found as Outline).catch(() => null),
    fetch(address('/map/tiles'), { method: 'HEAD' }).then((answer) => answer.ok).catch(() => false),
  ]);
  const corners = (outline?.features ?? []).flatMap((feature) => positions(feature.geometry?.coordinates));
  return { outline, tiles, corners, centre: corners[0] ?? null };
}

function positions(value: unknown): [number, number][] {
  if (!Array.isArray(value)) return [];
  const [lon, lat] = value as unknown[];
  if (typeof lon === 'number' && typeof lat === 'number') return [[lon, lat]];
  return value.flatMap(positions);
}

/** The style in the theme's colours. Names are drawn by the browser, in its own fonts: no glyph is fetched. */
export function styleOf(base: Base): StyleSpecification {
  const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const [ground, surface, raised, line, strong, text] =
    ['ground', 'surface', 'raised', 'line', 'line-strong', 'text-2'].map(colour) as [string, string, string, string, string, string];
  const style: StyleSpecification = {
    version: 8,
    sources: {},
    layers: [{ id: 'ground', type: 'background', paint: { 'background-color': ground } }],
  };
  if (base.tiles) {
    style.sources.tiles = { type: 'vector', url: `pmtiles://${new URL(address('/map/tiles'), location.href)}` };
    // Layer names of the Protomaps basemap, which `pmtiles extract` gives.
    style.layers.push(
      { id: 'earth', type: 'fill', source: 'tiles', 'source-layer': 'earth', paint: { 'fill-color': surface } },
      { id: 'water', type: 'fill', source: 'tiles', 'source-layer': 'water', filter: ['==', '$type', 'Polygon'], paint: { 'fill-color': raised } },
      { id: 'buildings', type: 'fill', source: 'tiles', 'source-layer': 'buildings', minzoom: 14, paint: { 'fill-color': raised } },
      { id: 'streets', type: 'line', source: 'tiles', 'source-layer': 'roads', paint: { 'line-color': line, 'line-width': ['interpolate', ['exponential', 1.6], ['zoom'], 11, 0.7, 17, 9] } },
    );
  }
  if (base.outline) {
    style.sources.outline = { type: 'geojson', data: base.outline as never };
    style.layers.push(
      { id: 'areas', type: 'fill', source: 'outline', filter: ['==', ['geometry-type'], 'Polygon'], paint: { 'fill-color': ['match', ['get', 'kind'], 'water', raised, 'park', raised, surface], 'fill-opacity': base.tiles ? 0.2 : 1 } },
      { id: 'borders', type: 'line', source: 'outline', filter: ['==', ['geometry-type'], 'Polygon'], paint: { 'line-color': strong, 'line-width': 1, 'line-dasharray': [3, 2] } },
      { id: 'ways', type: 'line', source: 'outline', filter: ['==', ['geometry-type'], 'LineString'], layout: { 'line-cap': 'round', 'line-join': 'round' }, paint: { 'line-color': line, 'line-width': ['interpolate', ['exponential', 1.6], ['zoom'], 10, 1.2, 17, ['match', ['get', 'kind'], 'primary', 18, 11]] } },
      { id: 'area-names', type: 'symbol', source: 'outline', filter: ['all', ['has', 'name'], ['==', ['geometry-type'], 'Polygon']], layout: { 'text-font': ['Inter Variable'], 'text-field': ['get', 'name'], 'text-size': 13, 'text-letter-spacing': 0.06 }, paint: { 'text-color': text, 'text-halo-color': ground, 'text-halo-width': 1.5 } },
      { id: 'way-names', type: 'symbol', source: 'outline', filter: ['all', ['has', 'name'], ['==', ['geometry-type'], 'LineString']], layout: { 'symbol-placement': 'line', 'text-font': ['Inter Variable'], 'text-field': ['get', 'name'], 'text-size': 12 }, paint: { 'text-color': text, 'text-halo-color': ground, 'text-halo-width': 1.5 } },
    );
  }
  return style;
}
