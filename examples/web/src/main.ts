/** The page: a record in, its features out; they leave when somebody presses Send. */

import { Device, type Batch } from "./device";
import { inputs, type Given } from "./inputs";
import { draw } from "./picture";
import { Release, type Features } from "./release";
import { bars, element, fixed, part, picture, show } from "./view";

const NOT_SECURE = "Open this page over https: browsers give it what it needs there alone.";

/** Shows a sentence, and has screen readers say it. */
function say(text: string, isError = false): void {
  part("status").textContent = text;
  part("status").classList.toggle("error", isError);
}

async function start(): Promise<void> {
  if (!isSecureContext) throw new Error(NOT_SECURE);
  const release = await Release.load();
  describe(release);
  const device = release.page.collector ? new Device(release.page, release.shape) : null;
  const offer = device ? sending(release, device) : null;
  if (!device) {
    show("send", element("p", { class: "empty" }, "This page has no collector: it sends nothing."));
  }
  let latest = 0;
  const take = async (given: Given | Error) => {
    const turn = ++latest;
    try {
      if (given instanceof Error) throw given;
      const before = performance.now();
      const features = await release.run(given.record);
      const seconds = performance.now() - before;
      const rebuilt = await release.rebuild(features.z);
      const batch = (await device?.batch(given.record, features)) ?? null;
      if (turn !== latest) return;
      show("seen", given.seen);
      show("seen-note", given.note);
      showFeatures(release, features, batch);
      showRebuilt(release, rebuilt);
      offer?.(batch);
      const numbers = `${features.z.length} numbers in ${seconds.toFixed(1)} ms`;
      say(`${numbers}. Nothing of this record has left the page.`);
    } catch (error) {
      if (turn === latest) say((error as Error).message, true);
    }
  };
  show("input", inputs(release, (given) => void take(given)));
  say("Ready. Nothing has left this page since it was opened.");
}

function describe(release: Release): void {
  const { page } = release;
  document.title = `What leaves this device: ${release.name}`;
  show("name", release.name);
  show("verdict", page.verdict);
  part("verdict").classList.add(page.verdict.toLowerCase());
  show("promise-text", page.promise);
  part("promise").hidden = false;
  const bits = page.most_bits === null ? "" : ` At most ${page.most_bits.toPrecision(4)} bits.`;
  show("channel", `${page.channel[0]!.toUpperCase()}${page.channel.slice(1)}.${bits}`);
  if (!page.decoder) {
    const text =
      release.modality === "image"
        ? "This page has no decoder. The report says how well one rebuilds records."
        : "The report says how well a decoder rebuilds records from these numbers.";
    show("rebuilt", element("p", { class: "empty" }, text));
  }
}

function showFeatures(release: Release, { z, code }: Features, batch: Batch | null): void {
  const numbers = element("ol", { class: "numbers", start: "0", tabindex: "0" });
  for (const value of z) {
    numbers.append(element("li", {}, element("data", { value: String(value) }, fixed(value))));
  }
  const details = [
    element("details", {}, element("summary", {}, `The ${z.length} numbers`), numbers),
  ];
  if (batch) {
    const body = element("pre", { tabindex: "0" }, JSON.stringify(JSON.parse(batch.body), null, 1));
    const size = `All that Send sends, ${batch.body.length.toLocaleString("en")} bytes`;
    details.push(element("details", {}, element("summary", {}, size), body));
  }
  const heading =
    code === null ? [] : [element("p", { class: "code" }, `Code ${code} of ${release.codes}`)];
  show("leaves", ...heading, bars(z), ...details);
}

function showRebuilt(release: Release, rebuilt: Float32Array | null): void {
  if (!rebuilt) return;
  const size = release.inputShape[2]!;
  const canvas = picture("What the audit's decoder rebuilds from these numbers");
  draw(canvas, rebuilt, size);
  canvas.classList.add("smooth");
  show("rebuilt", canvas);
  show("rebuilt-note", "Rebuilt from these numbers alone by a decoder of the audit.");
}

/** The form that sends; returns what offers it a batch. */
function sending(release: Release, device: Device): (batch: Batch | null) => void {
  let offered: Batch | null = null;
  const { host } = new URL(release.page.collector);
  const token = element("input", {
    type: "password", id: "token", autocomplete: "off", required: true, spellcheck: "false",
  });
  const send = element("button", { type: "submit", disabled: true }, "Send");
  const forget = element("button", { type: "button", class: "plain" }, "Delete what I sent");
  const form = element(
    "form",
    { class: "fields" },
    element("p", {}, "To ", element("strong", {}, host)),
    element("label", { for: "token" }, "Token of this device"),
    token,
    element("p", { class: "quiet" }, "The token is not kept. A random number that stands for you at the collector is."),
    element("div", { class: "row" }, send, forget),
  );
  const update = () => {
    send.disabled = !offered || offered.isSent;
    send.textContent = offered?.isSent ? "Sent" : "Send";
    forget.hidden = !device.hasSent;
  };
  const busy = async (work: () => Promise<string>) => {
    send.disabled = forget.disabled = true;
    try {
      say(await work());
    } catch (error) {
      say((error as Error).message, true);
    } finally {
      forget.disabled = false;
      update();
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const batch = offered;
    if (!batch || batch.isSent) return;
    void busy(async () => {
      const answer = await device.send(batch, token.value.trim());
      if (!answer.isSuccess) throw new Error(answer.detail);
      batch.isSent = true;
      return `Sent. ${host} keeps these numbers, and nothing else of this record has left the page.`;
    });
  });
  forget.addEventListener("click", () => {
    if (!token.reportValidity()) return;
    void busy(async () => {
      const answer = await device.forget(token.value.trim());
      if (!answer.isSuccess) throw new Error(answer.detail);
      offered = null;
      return `${host} has deleted all that this browser sent.`;
    });
  });
  show("send", form);
  update();
  return (batch) => {
    offered = batch;
    update();
  };
}

start().catch((error: Error) => say(error.message, true));
