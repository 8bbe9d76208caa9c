// The wall's layouts. A name is what the address carries.

export interface Layout {
  name: string;
  columns: number;
  rows: number;
  tiles: number;
  /** How many cells wide and high the first tile is. */
  first: number;
}

const even = (side: number): Layout => ({ name: String(side * side), columns: side, rows: side, tiles: side * side, first: 1 });

export const LAYOUTS: Layout[] = [
  even(1), even(2), { name: '1+5', columns: 3, rows: 3, tiles: 6, first: 2 }, even(3), even(4), even(8),
];

/** The layout of that name, or the smallest that shows so many cameras, to 16. */
export function layoutOf(name: string, cameras: number): Layout {
  const named = LAYOUTS.find((one) => one.name === name);
  const fitting = LAYOUTS.filter((one) => one.first === 1).find((one) => one.tiles >= Math.min(cameras, 16));
  return named ?? fitting ?? even(2);
}
