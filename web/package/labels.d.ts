/** Label lists (heads/README.md) and what people paste. */
export interface LabelList {
  name: string;
  title: string;
  source: string;
  licence: string;
  group: string;
  sensitivity: string;
  labels: string[];
  groups: string[];
  templates: string[];
}
export function parseList(text: string): LabelList;
export function parseTyped(text: string): { labels: string[]; groups: string[]; doubles: number };
export function writeList(recipe: Partial<LabelList> & { labels: string[] }): string;
export function firstName(label: string): string;
