// Weight normalisation, w = g v / |v|, to second order, behind a pipe: JavaScript without packages.
//
//     minwn check --pipe "node weight_norm.mjs"
//
// With an argument, a mistake is planted: "no_projection", or "stale_norm" to second order alone.

import { createInterface } from 'node:readline'

const mistake = process.argv[2]

// ---- numbers: JavaScript reads and writes no hexadecimal floats ----

function read(text) {
  const parts = /^(-?)0x([01])\.?([0-9a-f]*)p([+-]\d+)$/.exec(text)
  if (!parts) return { inf: Infinity, '-inf': -Infinity, nan: NaN }[text]
  const [, sign, whole, digits, exponent] = parts
  const e = Number(exponent) - 4 * digits.length
  const half = Math.trunc(e / 2) // 2 ** e alone may underflow where the product does not
  const size = Number('0x' + whole + digits) * 2 ** half * 2 ** (e - half)
  return sign ? -size : size
}

const shown = (x) => Array.from(x, (y) => (Object.is(y, -0) ? '-0' : String(y))) // 17 digits at most

// ---- weight normalisation: arrays in the order of the pipe, k the slice of each entry ----

function slices({ shape, g_shape }) {
  return Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => {
    let slice = 0, stride = 1
    for (let a = shape.length - 1; a >= 0; a--) {
      if (g_shape.length && g_shape[a] === shape[a]) {
        slice += (i % shape[a]) * stride
        stride *= shape[a]
      }
      i = Math.floor(i / shape[a])
    }
    return slice
  })
}

function dot(x, y, k, count) {
  const sums = new Float64Array(count)
  k.forEach((slice, i) => { sums[slice] += x[i] * y[i] })
  return sums
}

const operations = {
  forward({ v, g }, k) {
    const n = dot(v, v, k, g.length).map(Math.sqrt)
    return { w: v.map((x, i) => (g[k[i]] / n[k[i]]) * x) }
  },

  backward({ w_bar, v, g }, k) {
    const n = dot(v, v, k, g.length).map(Math.sqrt)
    const g_bar = dot(w_bar, v, k, g.length).map((s, j) => (v.length ? s / n[j] : 0))
    const along = (j) => (mistake === 'no_projection' ? 0 : g_bar[j] / n[j])
    return { v_bar: v.map((x, i) => (g[k[i]] / n[k[i]]) * (w_bar[i] - along(k[i]) * x)), g_bar }
  },

  jvp({ v, g, v_dot, g_dot }, k) {
    const n = dot(v, v, k, g.length).map(Math.sqrt)
    const a = dot(v_dot, v, k, g.length).map((x, j) => x / n[j])
    return { w_dot: v.map((x, i) => {
      const j = k[i], u = x / n[j]
      return g_dot[j] * u + (g[j] / n[j]) * (v_dot[i] - a[j] * u)
    }) }
  },

  // With u = v / n: v_bar = (g / n) (w_bar - s u), g_bar = s, s = <w_bar, u>; a = <A, u>.
  double_backward({ v_bar_bar: A, g_bar_bar: B, w_bar, v, g }, k) {
    const m = g.length
    const n = dot(v, v, k, m).map(Math.sqrt)
    const u = v.map((x, i) => x / n[k[i]])
    const s = dot(w_bar, u, k, m), a = dot(A, u, k, m), c = dot(A, w_bar, k, m)
    return {
      w_bar_bar: u.map((x, i) => B[k[i]] * x + (g[k[i]] / n[k[i]]) * (A[i] - a[k[i]] * x)),
      v_bar: u.map((x, i) => {
        const j = k[i], r = g[j] / n[j]
        const by_g = (B[j] / n[j]) * (w_bar[i] - s[j] * x)
        const by_u = -(r / n[j]) * (a[j] * w_bar[i] + s[j] * A[i])
        const by_n = (r / n[j]) * (3 * s[j] * a[j] - c[j]) * x
        return by_g + by_u + (mistake === 'stale_norm' ? 0 : by_n)
      }),
      g_bar: c.map((x, j) => (x - s[j] * a[j]) / n[j]),
    }
  },
}

// ---- lines ----

for await (const line of createInterface({ input: process.stdin })) {
  const { id, op, ...request } = JSON.parse(line)
  let reply = { error: `there is no operation ${op} here` }
  if (op === 'hello') {
    reply = { ops: Object.keys(operations), name: 'weight_norm.mjs', axis: [0] }
  } else if (op in operations) {
    const arrays = Object.entries(request).map(([key, x]) =>
      [key, Array.isArray(x) && !/shape|axis/.test(key) ? x.map(read) : x])
    const found = operations[op](Object.fromEntries(arrays), slices(request))
    reply = Object.fromEntries(Object.entries(found).map(([key, x]) => [key, shown(x)]))
  }
  process.stdout.write(JSON.stringify({ id, ...reply }) + '\n')
}
