import type { ITheme } from "@xterm/xterm";

/** The terminal is dark in both colour schemes: that is what programs in it expect. */
export const terminalTheme: ITheme = {
  background: "#0a0d0b",
  foreground: "#e7ece8",
  cursor: "#5ec4e3",
  cursorAccent: "#0a0d0b",
  selectionBackground: "#10303b",
  black: "#2a322d",
  red: "#ff8a80",
  green: "#6fcf97",
  yellow: "#e9b44c",
  blue: "#5ec4e3",
  magenta: "#b79cf0",
  cyan: "#7fd6d0",
  white: "#a6b0a9",
  brightBlack: "#8b958e",
  brightRed: "#ffada6",
  brightGreen: "#9ce0b8",
  brightYellow: "#f2cc80",
  brightBlue: "#8ad6ec",
  brightMagenta: "#cfbcf6",
  brightCyan: "#a6e6e2",
  brightWhite: "#e7ece8",
};
