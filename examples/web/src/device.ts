/**
 * What this browser keeps about a collector, and the requests to it: the contract of
 * tiprdc/formats/feature_batch.py. Nothing is kept before the first record is sent.
 */

import { hex, sha256, type Features, type Page, type RecordData } from "./release";

interface State {
  contributor: string;
  key: string;
  /** Ids of records that were acknowledged, with their model. */
  sent: string[];
  /** Id of a record, with its model -> a body that was perhaps received. */
  waiting: Record<string, string>;
}

export interface Batch {
  record: string;
  body: string;
  isSent: boolean;
}

export interface Answer {
  isSuccess: boolean;
  detail: string;
}

const HINTS: Record<number, string> = {
  401: "Ask the collector for a new token.",
  403: "Open a page with a version that is in use.",
  409: "Open a page with the version that the collector takes.",
  410: "Delete what was sent: then you start anew.",
};

export class Device {
  private state: State;

  constructor(
    private readonly page: Page,
    private readonly shape: number[],
  ) {
    this.state = this.load() ?? fresh();
  }

  get hasSent(): boolean {
    return this.state.sent.length > 0 || Object.keys(this.state.waiting).length > 0;
  }

  /**
   * What would be sent of a record. The same record has the same id, and is sent once for each
   * model: noise that is drawn again would average out.
   */
  async batch(record: RecordData, { z, code }: Features): Promise<Batch> {
    const { artifact, version, model_sha256 } = this.page;
    const id = await this.recordId(record);
    const name = `${model_sha256} ${id}`;
    const body = JSON.stringify({
      artifact,
      version,
      model_sha256,
      contributor: this.state.contributor,
      ids: [id],
      dtype: "float32",
      shape: [1, ...this.shape],
      features: base64(new Uint8Array(z.buffer, z.byteOffset, z.byteLength)),
      codes: code === null ? null : [code],
    });
    const isSent = this.state.sent.includes(name);
    return { record: name, body: this.state.waiting[name] ?? body, isSent };
  }

  /** Sends a batch; the same bytes again if the answer was lost. */
  async send(batch: Batch, token: string): Promise<Answer> {
    this.state.waiting[batch.record] = batch.body;
    this.save();
    const body = new TextEncoder().encode(batch.body);
    const answer = await this.request("PUT", `/v1/batches/${await sha256(body)}`, body, token);
    if (answer.isSuccess) {
      delete this.state.waiting[batch.record];
      this.state.sent.push(batch.record);
      this.save();
    }
    return answer;
  }

  /** Has the collector delete all that was sent from here; then forgets who sent it. */
  async forget(token: string): Promise<Answer> {
    const body = JSON.stringify({ contributor: this.state.contributor });
    const data = new TextEncoder().encode(body);
    const answer = await this.request("POST", "/v1/deletions", data, token);
    if (answer.isSuccess) {
      localStorage.removeItem(this.storageKey);
      this.state = fresh();
    }
    return answer;
  }

  private async request(
    method: string,
    path: string,
    body: Uint8Array<ArrayBuffer>,
    token: string,
  ): Promise<Answer> {
    let answer: Response;
    try {
      answer = await fetch(this.page.collector + path, {
        method,
        body,
        headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        referrerPolicy: "no-referrer",
      });
    } catch {
      const detail = "No answer. There is no connection, or the collector does not allow this page.";
      return { isSuccess: false, detail: `${detail} Press again: it is stored once.` };
    }
    if (answer.ok) return { isSuccess: true, detail: "" };
    const wait = answer.headers.get("Retry-After");
    const hint = wait ? `Try again in ${wait} s.` : (HINTS[answer.status] ?? "");
    return { isSuccess: false, detail: `The collector: ${await reason(answer)}. ${hint}`.trim() };
  }

  private async recordId(record: RecordData): Promise<string> {
    const bytes = new Uint8Array(record.buffer as ArrayBuffer, record.byteOffset, record.byteLength);
    const name = new TextEncoder().encode(await sha256(bytes));
    const key = await crypto.subtle.importKey(
      "raw",
      Uint8Array.from(this.state.key.match(/../g)!, (pair) => parseInt(pair, 16)),
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign"],
    );
    return hex(new Uint8Array(await crypto.subtle.sign("HMAC", key, name))).slice(0, 32);
  }

  private get storageKey(): string {
    return `tiprdc ${this.page.collector}`;
  }

  private load(): State | null {
    try {
      return JSON.parse(localStorage.getItem(this.storageKey) ?? "null") as State | null;
    } catch {
      return null;
    }
  }

  private save(): void {
    localStorage.setItem(this.storageKey, JSON.stringify(this.state));
  }
}

function fresh(): State {
  const random = () => hex(crypto.getRandomValues(new Uint8Array(32)));
  return { contributor: random(), key: random(), sent: [], waiting: {} };
}

async function reason(answer: Response): Promise<string> {
  try {
    const { detail } = (await answer.json()) as { detail?: unknown };
    return String(detail ?? "").slice(0, 300) || `HTTP status ${answer.status}`;
  } catch {
    return `HTTP status ${answer.status}`;
  }
}

function base64(data: Uint8Array): string {
  let text = "";
  for (const byte of data) text += String.fromCharCode(byte);
  return btoa(text);
}
