/** What a person gives: a picture, a text or a row; each gives a record and shows it. */

import { draw, PictureError, readBitmap, readFile } from "./picture";
import type { RecordData, Release } from "./release";
import { CellError, encodeRow } from "./table";
import { TextEncoding } from "./text";
import { element, fixed, picture } from "./view";

export interface Given {
  record: RecordData;
  seen: HTMLElement;
  note: string;
}

/** Called with what was given, or with the reason why it cannot be used. */
export type Take = (given: Given | Error) => void;

const NUMBERS =
  "A missing number is the mean of the training data; the last category is a missing or unknown one.";

/** Columns beyond which a row is pasted as a whole. */
const MOST_FIELDS = 40;

/** The form of a release's kind of record. */
export function inputs(release: Release, take: Take): HTMLElement {
  if (release.modality === "image") return pictureInput(release, take);
  if (release.modality === "text") return textInput(release, take);
  return tableInput(release, take);
}

function pictureInput(release: Release, take: Take): HTMLElement {
  const size = release.inputShape[2]!;
  const given = (record: Uint8Array) => {
    const seen = picture(`Your picture in ${size} by ${size} pixels`);
    draw(seen, record, size);
    take({ record, seen, note: `${size} × ${size} pixels` });
  };
  const read = async (file: Blob | null | undefined) => {
    if (!file) return;
    try {
      given(await readFile(file, size, release.background));
    } catch (error) {
      take(error as Error);
    }
  };
  const file = element("input", { type: "file", accept: "image/*", id: "file" });
  file.addEventListener("change", () => {
    void read(file.files?.[0]);
    file.value = "";
  });
  const area = element(
    "div",
    { class: "drop" },
    element("p", {}, "Drop a picture here, or"),
    file,
    element("label", { for: "file", class: "button" }, "Choose a picture"),
  );
  // A file that is dropped beside the area must not replace the page.
  for (const name of ["dragover", "drop"]) {
    addEventListener(name, (event) => event.preventDefault());
  }
  const mark = (isOver: boolean) => () => area.classList.toggle("over", isOver);
  addEventListener("dragenter", mark(true));
  addEventListener("dragend", mark(false));
  area.addEventListener("dragleave", mark(false));
  addEventListener("drop", (event) => {
    mark(false)();
    void read(event.dataTransfer?.files[0]);
  });
  addEventListener("paste", (event) => void read(event.clipboardData?.files[0]));
  return element("div", {}, area, camera(size, release.background, given, take));
}

function camera(
  size: number,
  background: string,
  given: (record: Uint8Array) => void,
  take: Take,
): HTMLElement {
  const start = element("button", { type: "button" }, "Use the camera");
  const shoot = element("button", { type: "button", hidden: true }, "Take the picture");
  const stop = element("button", { type: "button", class: "plain", hidden: true }, "Stop");
  const video = element("video", { playsinline: true, muted: true, hidden: true });
  let stream: MediaStream | null = null;
  const set = (isOn: boolean) => {
    start.hidden = isOn;
    for (const each of [video, shoot, stop]) each.hidden = !isOn;
  };
  const end = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    set(false);
    start.focus();
  };
  start.addEventListener("click", async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" } });
      video.srcObject = stream;
      set(true);
      await video.play();
      shoot.focus();
    } catch {
      take(new PictureError("There is no camera that this page may use."));
    }
  });
  shoot.addEventListener("click", async () => {
    try {
      given(readBitmap(await createImageBitmap(video), size, background));
      end();
    } catch (error) {
      take(error as Error);
    }
  });
  stop.addEventListener("click", end);
  return element("div", { class: "camera" }, video, start, shoot, stop);
}

function textInput(release: Release, take: Take): HTMLElement {
  const length = release.inputShape[0]!;
  const encoding = new TextEncoding(release.tokenizer!, length);
  const text = element("textarea", { id: "text", rows: "6", autocomplete: "off" });
  return form("Extract", take, [element("label", { for: "text" }, "Text"), text], () => {
    if (!text.value.trim()) throw new Error("The text is empty.");
    const { ids, pieces, cut } = encoding.encode(text.value);
    const seen = element(
      "p",
      { class: "pieces" },
      ...pieces.map((piece) => element("span", {}, piece)),
    );
    const rest = cut ? `; the ${cut} after them are cut off` : "";
    return { record: ids, seen, note: `${pieces.length} of at most ${length} tokens${rest}` };
  });
}

function tableInput(release: Release, take: Take): HTMLElement {
  const { columns } = release;
  const fields = columns.length > MOST_FIELDS ? null : columns.map(field);
  const pasted = element("textarea", { id: "row", rows: "6", autocomplete: "off" });
  const names = `${columns[0]!.name} to ${columns.at(-1)!.name}`;
  const controls = fields
    ? fields.map(({ label, control }) => element("div", {}, label, control))
    : [
        element("label", { for: "row" }, `${columns.length} values, ${names}`),
        pasted,
        element("p", { class: "quiet" }, "Between two values a comma, a space or a new line."),
      ];
  return form("Extract", take, controls, () => {
    const texts = fields?.map(({ control }) => control.value) ?? split(pasted.value);
    if (texts.length !== columns.length) {
      throw new Error(`${texts.length} values, but the release takes ${columns.length}.`);
    }
    fields?.forEach(({ control }) => control.removeAttribute("aria-invalid"));
    try {
      const record = encodeRow(columns, texts);
      return { record, seen: encoded(columns, record), note: NUMBERS };
    } catch (error) {
      if (error instanceof CellError && fields) {
        const { control } = fields[error.column]!;
        control.setAttribute("aria-invalid", "true");
        control.focus();
      }
      throw error;
    }
  });
}

function split(text: string): string[] {
  return text.trim().split(/\s*,\s*|\s+/);
}

function field({ name, categories }: { name: string; categories: string[] }, at: number) {
  const id = `column-${at}`;
  const control = categories.length
    ? element(
        "select",
        { id },
        element("option", { value: "" }, "(missing or another)"),
        ...categories.map((category) => element("option", { value: category }, category)),
      )
    : element("input", { id, type: "text", inputmode: "decimal", autocomplete: "off" });
  return { control, label: element("label", { for: id }, name) };
}

function encoded(columns: { name: string; categories: string[] }[], x: Float32Array): HTMLElement {
  const rows = columns.map(({ name, categories }, at) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, name),
      element("td", {}, categories.length ? `category ${x[at]} of 0 to ${categories.length}` : fixed(x[at]!)),
    ),
  );
  return element("div", { class: "scroll" }, element("table", {}, element("tbody", {}, ...rows)));
}

function form(name: string, take: Take, controls: HTMLElement[], give: () => Given): HTMLElement {
  const button = element("button", { type: "submit" }, name);
  const made = element("form", { class: "fields" }, ...controls, button);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    try {
      take(give());
    } catch (error) {
      take(error as Error);
    }
  });
  return made;
}
