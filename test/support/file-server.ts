import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A server of files on this machine. */
export interface FileServer {
  readonly url: string;
  /** What was asked for: the path and the Range. */
  readonly requests: string[];
  close(): Promise<void>;
}

/** Answers an unusual request; returns false to let the server answer as it should. */
export type Trick = (request: IncomingMessage, response: ServerResponse, count: number) => boolean;

/** Serves `files` by path with ranges, ETags and 404, unless `trick` answers. */
export async function serveFiles(
  files: ReadonlyMap<string, Uint8Array>,
  trick: Trick = () => false,
): Promise<FileServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.url} ${request.headers.range ?? "whole"}`);
    if (trick(request, response, requests.length)) return;
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const bytes = files.get(decodeURIComponent(pathname.slice(1)));
    if (!bytes) {
      response.writeHead(404).end();
      return;
    }
    const [, from = "0", to = "0"] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    const [begin, end] = [Number(from), Math.min(Number(to) + 1, bytes.length)];
    if (begin >= end) response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
    else
      response
        .writeHead(206, { etag: '"1"', "content-range": `bytes ${begin}-${end - 1}/${bytes.length}` })
        .end(bytes.subarray(begin, end));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
