/** Small builders of the page's elements. */

type Properties = Record<string, string | boolean>;

/** An element with attributes and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Properties = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** The element of the page with this id. */
export function part(id: string): HTMLElement {
  return document.getElementById(id)!;
}

/** Replaces what is in an element of the page. */
export function show(id: string, ...children: (Node | string)[]): void {
  part(id).replaceChildren(...children);
}

/** A picture for people who see it, with words for those who do not. */
export function picture(label: string): HTMLCanvasElement {
  return element("canvas", { role: "img", "aria-label": label });
}

const WIDTH = 600;
const HEIGHT = 120;
const WIDEST = 18;

/** One bar a number, up or down from the middle line. */
export function bars(z: Float32Array): SVGSVGElement {
  const most = Math.max(...z.map(Math.abs), 1e-9);
  const step = WIDTH / z.length;
  const middle = HEIGHT / 2;
  let up = "";
  let down = "";
  z.forEach((value, at) => {
    const line = `M${(at + 0.5) * step} ${middle}v${(-value / most) * (middle - 4)}`;
    if (value < 0) down += line;
    else up += line;
  });
  const chart = drawn("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": `${z.length} numbers from ${fixed(Math.min(...z))} to ${fixed(Math.max(...z))}`,
    class: "bars",
    "stroke-width": `${Math.max(0.6, Math.min(WIDEST, step * 0.62))}`,
  });
  chart.append(
    drawn("path", { d: `M0 ${middle}H${WIDTH}`, class: "axis" }),
    drawn("path", { d: up, class: "up" }),
    drawn("path", { d: down, class: "down" }),
  );
  return chart;
}

/** A number with three decimals. */
export function fixed(value: number): string {
  return value.toFixed(3).replace("-", "−");
}

function drawn<K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Record<string, string>,
): SVGElementTagNameMap[K] {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
