/** Scrolls `container` alone until `element` is in sight; `scrollIntoView` would move the whole page on a small screen. */
export function reveal(container: HTMLElement | null | undefined, element: HTMLElement | null | undefined) {
  if (!container || !element || container.scrollHeight <= container.clientHeight) return;
  const outer = container.getBoundingClientRect();
  const inner = element.getBoundingClientRect();
  if (inner.top < outer.top) container.scrollTop -= outer.top - inner.top + 4;
  else if (inner.bottom > outer.bottom) container.scrollTop += Math.min(inner.bottom - outer.bottom + 4, inner.top - outer.top);
}
