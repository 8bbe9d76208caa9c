// Lines and letters drawn on pictures grow with the page's own: on a video wall of 4K both are larger.

/** Device pixels in a CSS pixel as large as the page's letters make it. */
export function drawingScale(): number {
  return (devicePixelRatio * parseFloat(getComputedStyle(document.documentElement).fontSize)) / 16;
}
