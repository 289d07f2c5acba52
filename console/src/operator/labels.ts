/** Labels as people write them: one name=value per line. */

const LINE = /^([^=\s]+)=(\S+)$/;

const lines = (text: string) => text.split("\n").map((line) => line.trim()).filter(Boolean);

export function areLabels(text: string): boolean {
  return lines(text).every((line) => LINE.test(line));
}

export function parseLabels(text: string): Record<string, string> {
  return Object.fromEntries(lines(text).flatMap((line) => {
    const [, name, value] = LINE.exec(line) ?? [];
    return name !== undefined && value !== undefined ? [[name, value]] : [];
  }));
}
