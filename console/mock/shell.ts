/** The shell that the mock opens in the browser terminal: it repeats what is typed, and knows `exit`. */

type Socket = { send: (data: Uint8Array | string) => void; close: (code?: number) => void };

const PROMPT = "al-1@node-a:~$ ";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Answers the frames of one terminal; `received` takes each frame as it comes. */
export function shell(socket: Socket): { received: (data: Uint8Array | string) => void } {
  let line = "";
  const print = (text: string) => socket.send(encoder.encode(text));
  const control = (message: Record<string, unknown>) => socket.send(JSON.stringify(message));

  const entered = () => {
    const command = line.trim();
    line = "";
    if (command === "exit") {
      control({ type: "exit", status: 0 });
      socket.close(1000);
      return;
    }
    print(`\r\n${command === "" ? "" : `This is a mock; “${command}” was not run.\r\n`}${PROMPT}`);
  };

  const typed = (character: string) => {
    if (character === "\r") entered();
    else if (character === "\u007f") {
      if (line !== "") print("\b \b");
      line = line.slice(0, -1);
    } else {
      line += character;
      print(character);
    }
  };

  return {
    received(data) {
      if (typeof data !== "string") {
        for (const character of decoder.decode(data)) typed(character);
        return;
      }
      const message = JSON.parse(data) as { type?: string };
      if (message.type !== "open") return;
      control({ type: "opened", session: "ts_1" });
      print(PROMPT);
    },
  };
}
