/** A line that is renewed in place, with the cursor at its end. */
let open = false;
/** Whether this program says nothing. */
let muted = false;

/** Says no more, but for errors: another process speaks for this one. */
export function mute(): void {
  muted = true;
  console.log = () => {};
  console.info = () => {};
}

/** Output that nobody reads any more (a closed pipe, a terminal that is gone) ends no work: it goes on in silence. */
export function outliveOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
}

/** Whether lines can be renewed in place. */
export function isLive(): boolean {
  return !muted && process.stdout.isTTY === true && process.env["TERM"] !== "dumb";
}

/** Characters that fit on a line; terminals that do not know say 0. */
export function columns(): number {
  return process.stdout.columns > 0 ? process.stdout.columns : 80;
}

/** Text from a file as a terminal may get it: characters that steer one (ESC, writing from right to left) as `\\u001b`. */
export function printable(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu, (letter) => {
    return `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Renews the open line, or opens one. */
export function renewLine(text: string): void {
  process.stdout.write(`\r\x1b[2K${text}`);
  open = true;
}

/** Ends the open line, if there is one. */
export function endLine(): void {
  if (open) process.stdout.write("\n");
  open = false;
}

/** Prints a line of its own, below the open one. */
export function say(line: string): void {
  endLine();
  console.log(line);
}
