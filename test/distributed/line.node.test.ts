import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkLine } from "../../src/distributed/line";

const server = createServer();
let socket: Socket;
let file = -1;
beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  socket = connect((server.address() as { port: number }).port, "127.0.0.1");
  await once(socket, "connect");
  file = openSync("package.json", "r");
});
afterAll(() => {
  closeSync(file);
  socket.destroy();
  server.close();
});

describe("checkLine", () => {
  test("an open socket is a line, and who has no number needs none", async () => {
    const { fd } = (socket as unknown as { readonly _handle: { readonly fd: number } })._handle;
    await checkLine({ PMI_FD: String(fd) });
    await checkLine({});
  });

  test("a number that is closed, or that another file has taken, is refused with the remedy", async () => {
    for (const number of [987_654, file])
      await expect(checkLine({ PMI_FD: String(number) })).rejects.toMatchObject({
        code: "invalid-argument",
        message: expect.stringMatching(
          `^mpi: the line to the launcher \\(PMI_FD=${number}\\) is closed\\. npm, .* start node itself`,
        ),
      });
  });
});
