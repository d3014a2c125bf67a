/** A released extractor: its contract, its files by digest, and its features. */

import * as ort from "onnxruntime-web/wasm";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

export interface Column {
  name: string;
  categories: string[];
  mean: number;
}

interface Manifest {
  name: string;
  input: {
    name: string;
    modality: "image" | "table" | "text";
    shape: (string | number)[];
    columns: Column[];
    decoding: { background: string } | null;
  };
  output: { name: string; shape: (string | number)[]; codes: number };
  files: Record<string, { sha256: string; bytes: number }>;
}

/** tiprdc/web/page_contract.py describes it. */
export interface Page {
  artifact: string;
  version: string;
  model_sha256: string;
  collector: string;
  verdict: string;
  promise: string;
  claims: string[];
  channel: string;
  most_bits: number | null;
  decoder: boolean;
}

/** The numbers of one record, as the file takes them. */
export type RecordData = Uint8Array | Int32Array | Float32Array;

export interface Features {
  z: Float32Array;
  code: number | null;
}

const FOLDER = "./release/";
const TYPES = { image: "uint8", table: "float32", text: "int32" } as const;

export class Release {
  private constructor(
    readonly page: Page,
    private readonly manifest: Manifest,
    readonly tokenizer: string | null,
    private readonly extractor: ort.InferenceSession,
    private readonly decoder: ort.InferenceSession | null,
  ) {}

  /** Loads all that is ever loaded: afterwards the page needs no network. */
  static async load(): Promise<Release> {
    ort.env.wasm.wasmPaths = { wasm: new URL(wasm, document.baseURI).href };
    ort.env.wasm.numThreads = 1;
    const [page, manifest] = await Promise.all([
      bytes("page.json").then((data) => parse<Page>(data)),
      bytes("manifest.json").then((data) => parse<Manifest>(data)),
    ]);
    const verified = async (name: string) => {
      const data = await bytes(name);
      if ((await sha256(data)) !== manifest.files[name]?.sha256) {
        throw new Error(`${name} is not the file that the manifest describes.`);
      }
      return data;
    };
    const [model, decoder, tokenizer] = await Promise.all([
      verified("extractor.onnx"),
      page.decoder ? bytes("decoder.onnx") : null,
      "tokenizer.json" in manifest.files ? verified("tokenizer.json") : null,
    ]);
    const options = { executionProviders: ["wasm"], logSeverityLevel: 3 } as const;
    const extractor = await ort.InferenceSession.create(model, options);
    return new Release(
      page,
      manifest,
      tokenizer && new TextDecoder().decode(tokenizer),
      extractor,
      decoder && (await ort.InferenceSession.create(decoder, options)),
    );
  }

  get name(): string {
    const { artifact, version } = this.page;
    return version ? `${artifact}@${version}` : this.manifest.name;
  }

  get modality(): "image" | "table" | "text" {
    return this.manifest.input.modality;
  }

  get columns(): Column[] {
    return this.manifest.input.columns;
  }

  get background(): string {
    return this.manifest.input.decoding?.background ?? "#ffffff";
  }

  /** Shape of one record. */
  get inputShape(): number[] {
    return this.manifest.input.shape.slice(1).map(Number);
  }

  /** Shape of one record's features. */
  get shape(): number[] {
    return this.manifest.output.shape.slice(1).map(Number);
  }

  get codes(): number {
    return this.manifest.output.codes;
  }

  /** Features of one record, and its code if the release has codes. */
  async run(record: RecordData): Promise<Features> {
    const { input, output } = this.manifest;
    const x = new ort.Tensor(TYPES[input.modality], record as never, [1, ...this.inputShape]);
    const results = await this.extractor.run({ [input.name]: x });
    const z = results[output.name]!.data as Float32Array;
    if (!z.every(Number.isFinite)) throw new Error("Its features are not finite.");
    const code = output.codes ? Number((results["code"]!.data as BigInt64Array)[0]) : null;
    return { z: Float32Array.from(z), code };
  }

  /** The picture that the audit's decoder rebuilds `[3, N, N]`, 0 to 255; null without decoder. */
  async rebuild(z: Float32Array): Promise<Float32Array | null> {
    if (!this.decoder) return null;
    const input = new ort.Tensor("float32", z, [1, ...this.shape]);
    const { picture } = await this.decoder.run({ z: input });
    return (picture!.data as Float32Array).map((value) => value * 255);
  }
}

async function bytes(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await fetch(FOLDER + name);
  if (!answer.ok) throw new Error(`${name} is missing: make this site with tiprdc web.`);
  return new Uint8Array(await answer.arrayBuffer());
}

function parse<T>(data: Uint8Array): T {
  return JSON.parse(new TextDecoder().decode(data)) as T;
}

/** sha256 in hex. */
export async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
}

export function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
