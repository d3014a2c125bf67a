// Uses the page in Chromium as a person does. JSON on standard input, JSON on standard output.
//
//   {chromium, flags, profile, url, scheme?, width?, steps: [{NAME: value}]}, names as in `steps` below
//
// The start and each step give {status, z, code, body, focus, value: what the step gives, addresses:
// what was requested since the step before}.

import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const task = JSON.parse(readFileSync(0, "utf8"));
const context = await chromium.launchPersistentContext(task.profile, {
  executablePath: task.chromium,
  headless: true,
  args: task.flags,
  chromiumSandbox: false,
  serviceWorkers: "block",
  colorScheme: task.scheme ?? "light",
  viewport: { width: task.width ?? 1200, height: task.height ?? 900 },
});
const page = context.pages()[0] ?? (await context.newPage());
let addresses = [];
const errors = [];
context.on("request", (request) => addresses.push(`${request.method()} ${request.url()}`));
page.on("pageerror", (error) => errors.push(String(error)));
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));

const status = page.getByRole("status");

/** Waits until the page says what came of something. */
const settled = () =>
  page.waitForFunction(() => /^(?!Loading)./.test(document.querySelector("[role=status]").textContent));

async function act(action) {
  await status.evaluate((element) => (element.textContent = ""));
  await action();
  await settled();
}

async function drop(path) {
  const data = readFileSync(path).toString("base64");
  await page.evaluate(
    (base64) => {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], "picture"));
      const event = new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
      document.querySelector(".drop").dispatchEvent(event);
    },
    data,
  );
}

const steps = {
  file: (path) => act(() => page.setInputFiles("#file", path)),
  drop: (path) => act(() => drop(path)),
  text: (text) =>
    act(async () => {
      await page.fill("textarea", text);
      await page.getByRole("button", { name: "Extract" }).click();
    }),
  fields: (fields) =>
    act(async () => {
      for (const [label, value] of Object.entries(fields)) {
        const control = page.getByLabel(label, { exact: true });
        const isList = (await control.evaluate((element) => element.tagName)) === "SELECT";
        await (isList ? control.selectOption(value) : control.fill(value));
      }
      await page.getByRole("button", { name: "Extract" }).click();
    }),
  camera: () =>
    act(async () => {
      await page.getByRole("button", { name: "Use the camera" }).click();
      await page.waitForFunction(() => document.querySelector("video").videoWidth > 0);
      await page.getByRole("button", { name: "Take the picture" }).click();
    }),
  send: (token) =>
    act(async () => {
      await page.getByLabel("Token of this device").fill(token);
      await page.getByRole("button", { name: "Send", exact: true }).click();
    }),
  forget: (token) =>
    act(async () => {
      await page.getByLabel("Token of this device").fill(token);
      await page.getByRole("button", { name: "Delete what I sent" }).click();
    }),
  offline: (isOff) => context.setOffline(isOff),
  reload: () => act(() => page.reload()),
  press: (key) => page.keyboard.press(key),
  evaluate: (script) => page.evaluate(script),
  screenshot: (path) => page.screenshot({ path, fullPage: true }).then(() => null),
  resize: (width) => page.setViewportSize({ width, height: 900 }),
  // Faults that axe-core finds, by rule and element.
  axe: async () => {
    await page.evaluate(readFileSync(new URL(import.meta.resolve("axe-core")), "utf8"));
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  },
};

const answers = [];
const before = Date.now();
await page.goto(task.url);
await settled();
answers.push(await answer(null));
answers[0].milliseconds = Date.now() - before;
for (const step of task.steps) {
  const [[name, value]] = Object.entries(step);
  answers.push(await answer(await steps[name](value)));
}
await context.close();
process.stdout.write(JSON.stringify({ answers, errors }));

async function answer(value) {
  const seen = await page.evaluate(() => ({
    status: document.querySelector("[role=status]").textContent,
    z: [...document.querySelectorAll(".numbers data")].map((element) => Number(element.value)),
    code: document.querySelector(".code")?.textContent ?? null,
    body: document.querySelector("pre")?.textContent ?? null,
    focus: document.activeElement?.id || document.activeElement?.textContent.slice(0, 40) || "",
  }));
  const requested = addresses;
  addresses = [];
  return { ...seen, value: value ?? null, addresses: requested };
}
