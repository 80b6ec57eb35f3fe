// Checks an inclusion proof (RFC 6962) in the page: the entry's own bytes, the path, and the root of the checkpoint.
// SHA-256 is written out because browsers offer theirs only over TLS and on this machine.
(() => {
  "use strict";
  const K = [], START = [];
  for (let n = 2, found = 0; found < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) { prime = false; break; }
    if (!prime) continue;
    const part = (x) => ((x - Math.floor(x)) * 2 ** 32) | 0;
    if (found < 8) START.push(part(n ** 0.5));
    K.push(part(Math.cbrt(n)));
    found++;
  }
  function sha256(bytes) {
    const size = bytes.length, blocks = new Uint8Array((((size + 8) >> 6) + 1) << 6), view = new DataView(blocks.buffer);
    blocks.set(bytes);
    blocks[size] = 0x80;
    view.setUint32(blocks.length - 8, Math.floor(size / 2 ** 29));
    view.setUint32(blocks.length - 4, (size << 3) >>> 0);
    const h = START.slice(), w = new Int32Array(64), turn = (x, n) => (x >>> n) | (x << (32 - n));
    for (let at = 0; at < blocks.length; at += 64) {
      for (let i = 0; i < 64; i++) {
        if (i < 16) { w[i] = view.getInt32(at + i * 4); continue; }
        const a = w[i - 15], b = w[i - 2];
        w[i] = (w[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + w[i - 7] + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10))) | 0;
      }
      let [a, b, c, d, e, f, g, z] = h;
      for (let i = 0; i < 64; i++) {
        const one = (z + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
        const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        z = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
      }
      [a, b, c, d, e, f, g, z].forEach((value, i) => { h[i] = (h[i] + value) | 0; });
    }
    const out = new Uint8Array(32);
    h.forEach((value, i) => new DataView(out.buffer).setInt32(i * 4, value));
    return out;
  }
  const hex = (bytes) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
  const unhex = (text) => Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));
  const unbase = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const join = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));

  // RFC 9162, 2.1.3.2
  function root(seq, size, leaf, path) {
    if (seq >= size) return null;
    let fn = BigInt(seq), sn = BigInt(size) - 1n, r = leaf;
    for (const node of path) {
      if (sn === 0n) return null;
      if ((fn & 1n) === 1n || fn === sn) {
        r = sha256(join([1], node, r));
        while ((fn & 1n) === 0n && fn !== 0n) { fn >>= 1n; sn >>= 1n; }
      } else r = sha256(join([1], r, node));
      fn >>= 1n; sn >>= 1n;
    }
    return sn === 0n ? r : null;
  }

  addEventListener("DOMContentLoaded", () => {
    const el = document.querySelector("[data-proof]");
    if (!el) return;
    const { bytes, seq, size, root: wanted, proofNodes, note } = el.dataset;
    const found = root(Number(seq), Number(size), sha256(join([0], unbase(bytes))), proofNodes.split(" ").filter(Boolean).map(unhex));
    const included = found !== null && hex(found) === wanted;
    const lines = note.split("\n"), signed = lines[1] === size && lines[2] && hex(unbase(lines[2])) === wanted;
    const verdict = el.querySelector("[data-verdict]");
    verdict.className = included ? "note good" : "mistake";
    verdict.textContent = included
      ? `Checked in this page: entry ${seq} is in the log of ${size} entries with this root${signed ? ", which is the root of the signed checkpoint" : ""}.`
      : "The proof does not hold: this entry is not what the log committed to. Keep a copy of this page and tell whoever runs the gateway.";
  });
})();
