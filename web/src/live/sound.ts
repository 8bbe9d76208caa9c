// Two short tones for an alert, one for a warning. Made here, so that there is no file to load, and silent on demand.

import { settings } from '../state/settings.svelte';

let context: AudioContext | undefined;
let lastAt = 0;

/** Repeats within this time are one sound: twenty alarms at once must not be a siren. */
const REST_MS = 1500;

export function chime(severity: 'alert' | 'warning'): void {
  const at = Date.now();
  if (!settings.sound || at - lastAt < REST_MS) return;
  lastAt = at;
  try {
    context ??= new AudioContext();
    void context.resume();
    const tones = severity === 'alert' ? [880, 660] : [587];
    tones.forEach((frequency, index) => tone(context as AudioContext, frequency, index * 0.18));
  } catch {
    // No sound device: the page shows the alarm all the same.
  }
}

function tone(audio: AudioContext, frequency: number, after: number): void {
  const start = audio.currentTime + after;
  const source = audio.createOscillator();
  const volume = audio.createGain();
  source.type = 'triangle';
  source.frequency.value = frequency;
  volume.gain.setValueAtTime(0, start);
  volume.gain.linearRampToValueAtTime(0.18, start + 0.015);
  volume.gain.exponentialRampToValueAtTime(0.001, start + 0.32);
  source.connect(volume).connect(audio.destination);
  source.start(start);
  source.stop(start + 0.35);
}
