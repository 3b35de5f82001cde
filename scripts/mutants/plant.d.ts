import type { Plugin } from 'vitest/config';

export function placeOf(name: string): string;
export function plant(name: string): Plugin;
