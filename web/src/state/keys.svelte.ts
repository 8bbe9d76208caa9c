// The page's keys. Whoever shows a button with a key registers it here, so that the help lists what works now.

import { untrack } from 'svelte';
import type { Key } from '../i18n';

export interface Binding {
  /** As `KeyboardEvent.key` gives it, lower case: `j`, ` `, `?`. */
  key: string;
  label: Key;
  run: () => void;
}

class Keys {
  help = $state(false);
  #groups = $state.raw<Binding[][]>([]);
  all = $derived(this.#groups.flat());

  /** Registers keys; gives the function that takes them back. */
  use(bindings: Binding[]): () => void {
    // Not read as state: whoever registers must not run again because of it.
    untrack(() => (this.#groups = [...this.#groups, bindings]));
    return () => untrack(() => (this.#groups = this.#groups.filter((group) => group !== bindings)));
  }

  press(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    if (isTyping(event.target)) return;
    if (document.querySelector('dialog[open]') && event.key !== '?') return;
    const key = event.key.toLowerCase();
    if (key === '?') {
      this.help = !this.help;
      event.preventDefault();
      return;
    }
    // Space and Enter belong to the control that has the focus.
    if (key === ' ' && event.target instanceof HTMLElement && event.target.closest('button, a, summary, video, [role=tab]')) return;
    // The page's own keys before the frame's: the last registered wins.
    const binding = this.all.findLast((one) => one.key === key);
    if (!binding) return;
    event.preventDefault();
    binding.run();
  }
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && !!target.closest('input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]');
}

export const keys = new Keys();
