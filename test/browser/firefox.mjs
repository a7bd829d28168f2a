// Drives a Firefox by its own protocol, Marionette: JSON with its length before it, over a socket. So it needs no driver;
// playwright-core 1.65 reaches Debian's by WebDriver BiDi, but asks for a command that Firefox 153 lacks (emulation.setMediaFeaturesOverride).
import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";

/** Where a Firefox lies: `FIREFOX` names it, else Debian's `firefox-esr` or a `firefox` of the path; undefined without one. */
export function findFirefox() {
  const named = process.env.FIREFOX;
  const places = (process.env.PATH ?? "").split(delimiter);
  const all = named ? [named] : ["firefox-esr", "firefox"].flatMap((name) => places.map((place) => join(place, name)));
  return all.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Kept off the network, and from asking anything. */
const preferences = {
  "marionette.port": 0,
  "app.shield.optoutstudies.enabled": false,
  "app.update.enabled": false,
  "app.normandy.enabled": false,
  // What pages say on their console goes to standard output.
  "browser.dom.window.dump.enabled": true,
  "devtools.console.stdout.content": true,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "browser.startup.page": 0,
  "datareporting.policy.dataSubmissionEnabled": false,
  "datareporting.healthreport.uploadEnabled": false,
  "extensions.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "network.dns.disablePrefetch": true,
  "services.settings.server": "data:,",
  "toolkit.telemetry.reportingpolicy.firstRun": false,
};

/** Runs a Firefox without a window. */
export async function launchFirefox(path, more = {}) {
  const profile = mkdtempSync(join(tmpdir(), "firefox-"));
  const lines = Object.entries({ ...preferences, ...more }).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
  );
  writeFileSync(join(profile, "user.js"), lines.join(""));
  // Reading the browser's own console is for those who may do anything in it.
  const args = ["--headless", "--no-remote", "--profile", profile, "--marionette", "--remote-allow-system-access"];
  const child = spawn(path, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: "1" },
  });
  let told = "";
  let exited = false;
  child.stderr.on("data", (text) => {
    told = `${told}${text}`.slice(-2000);
  });
  const said = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    // Firefox itself complains that it cannot load experiments.
    if (/^console\.(error|warn|assert)/.test(line) && !line.includes("RSLoader:")) said.push(line);
  });
  const exit = new Promise((ended) => child.once("exit", ended).once("error", ended));
  exit.then(() => {
    exited = true;
  });
  const end = async () => {
    child.kill();
    await exit;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const portFile = join(profile, "MarionetteActivePort");
    for (let i = 0; !existsSync(portFile); i++) {
      if (exited || i > 600) throw new Error(`${path} did not start: ${told}`);
      await new Promise((later) => setTimeout(later, 100));
    }
    const session = await openSession(Number(readFileSync(portFile, "utf8")));
    return { ...session, said, close: end };
  } catch (error) {
    await end();
    throw error;
  }
}

async function openSession(port) {
  const socket = connect(port, "127.0.0.1");
  const waiting = new Map();
  let received = Buffer.alloc(0);
  let number = 0;
  socket.on("data", (bytes) => {
    received = Buffer.concat([received, bytes]);
    for (;;) {
      const colon = received.indexOf(":");
      if (colon < 0) return;
      const end = colon + 1 + Number(received.toString("utf8", 0, colon));
      if (received.length < end) return;
      const message = JSON.parse(received.toString("utf8", colon + 1, end));
      received = received.subarray(end);
      // The first message greets.
      if (!Array.isArray(message)) continue;
      const [, id, error, result] = message;
      const { resolve, reject } = waiting.get(id) ?? {};
      waiting.delete(id);
      if (error) reject?.(new Error(`${error.error}: ${error.message}`));
      else resolve?.(result);
    }
  });
  const lose = (error) => {
    for (const { reject } of waiting.values()) reject(error ?? new Error("Firefox has ended the connection."));
    waiting.clear();
  };
  socket.on("error", lose).on("close", () => lose());
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));

  const send = (command, parameters = {}) =>
    new Promise((resolve, reject) => {
      const id = ++number;
      waiting.set(id, { resolve, reject });
      const text = JSON.stringify([0, id, command, parameters]);
      socket.write(`${Buffer.byteLength(text)}:${text}`);
    });
  const script = async (body, args) =>
    (await send("WebDriver:ExecuteAsyncScript", { script: body, args, newSandbox: false })).value;
  const wrapped = (f) => `
    const done = arguments[arguments.length - 1];
    const given = Array.from(arguments).slice(0, -1);
    Promise.resolve((${f})(...given)).then((value) => done({ value }), (error) => done({ error: String(error) }));`;
  const run = async (f, ...args) => {
    const { value, error } = await script(wrapped(f), args);
    if (error !== undefined) throw new Error(error);
    return value;
  };
  const inBrowser = async (f, ...args) => {
    await send("Marionette:SetContext", { value: "chrome" });
    try {
      return await run(f, ...args);
    } finally {
      await send("Marionette:SetContext", { value: "content" });
    }
  };
  await send("WebDriver:NewSession", { capabilities: { alwaysMatch: { acceptInsecureCerts: false } } });
  await send("WebDriver:SetTimeouts", { script: 300_000, pageLoad: 60_000 });

  return {
    run,
    async goto(url) {
      await send("WebDriver:Navigate", { url });
    },
    /** What runs in the page until it is true. */
    async waitFor(f, { milliseconds = 60_000, args = [] } = {}) {
      const until = Date.now() + milliseconds;
      for (;;) {
        const value = await run(f, ...args);
        if (value) return value;
        if (Date.now() > until) throw new Error(`Not within ${milliseconds} ms: ${f}`);
        await new Promise((later) => setTimeout(later, 100));
      }
    },
    /** Types keys where the focus is. */
    async type(keys) {
      const actions = [...keys].flatMap((value) => [
        { type: "keyDown", value },
        { type: "keyUp", value },
      ]);
      await send("WebDriver:PerformActions", { actions: [{ type: "key", id: "keys", actions }] });
    },
    /** What went wrong in scripts of pages of that address, and in their workers. */
    errors: (address) =>
      inBrowser((address) => {
        return Services.console.getMessageArray().flatMap((message) => {
          if (!(message instanceof Ci.nsIScriptError) || message.flags & Ci.nsIScriptError.warningFlag) return [];
          return message.sourceName.startsWith(address) ? [`${message.sourceName}: ${message.errorMessage}`] : [];
        });
      }, address),
    async screenshot() {
      const { value } = await send("WebDriver:TakeScreenshot", { full: false });
      return Buffer.from(value, "base64");
    },
  };
}
