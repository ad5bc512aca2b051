// SHA-256 (FIPS 180-4) piece by piece. crypto.subtle wants the whole at once, and exists by https alone.

const K = new Int32Array(64), START = new Int32Array(8);

// The constants are the first bits of the fractions of the roots of primes.
for (let n = 2, i = 0; i < 64; n++) {
  let prime = true;
  for (let d = 2; d * d <= n; d++) prime = prime && n % d !== 0;
  if (!prime) continue;
  if (i < 8) START[i] = (Math.sqrt(n) % 1) * 2 ** 32;
  K[i++] = (Math.cbrt(n) % 1) * 2 ** 32;
}

const turn = (x, n) => (x >>> n) | (x << (32 - n));

// The 64 bytes of @b from @at on, into the state @s; @w has room for 64 words.
function mix(s, w, b, at) {
  let a = s[0], c = s[1], d = s[2], e = s[3], f = s[4], g = s[5], h = s[6], i = s[7];
  for (let t = 0; t < 16; t++, at += 4)
    w[t] = (b[at] << 24) | (b[at + 1] << 16) | (b[at + 2] << 8) | b[at + 3];
  for (let t = 16; t < 64; t++) {
    const x = w[t - 15], y = w[t - 2];
    const p = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3), q = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10);
    w[t] = (((w[t - 16] + p) | 0) + ((w[t - 7] + q) | 0)) | 0;
  }
  for (let t = 0; t < 64; t++) {
    const p = (turn(f, 6) ^ turn(f, 11) ^ turn(f, 25)) + ((f & g) ^ (~f & h)) | 0;
    const one = (((i + p) | 0) + ((K[t] + w[t]) | 0)) | 0;
    const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & c) ^ (a & d) ^ (c & d))) | 0;
    i = h; h = g; g = f; f = (e + one) | 0;
    e = d; d = c; c = a; a = (one + two) | 0;
  }
  s[0] += a; s[1] += c; s[2] += d; s[3] += e; s[4] += f; s[5] += g; s[6] += h; s[7] += i;
}

export class Sha256 {
  #state = START.slice();
  #words = new Int32Array(64);
  #block = new Uint8Array(64);
  #filled = 0;
  #length = 0;

  update(bytes) {
    let at = 0;
    this.#length += bytes.length;
    while (at < bytes.length) {
      if (this.#filled === 0) for (; bytes.length - at >= 64; at += 64) mix(this.#state, this.#words, bytes, at);
      const piece = bytes.subarray(at, at + 64 - this.#filled);
      this.#block.set(piece, this.#filled);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled === 64) {
        mix(this.#state, this.#words, this.#block, 0);
        this.#filled = 0;
      }
    }
  }

  // The digest in hexadecimal; nothing may be added after it.
  hex() {
    const end = new Uint8Array((this.#filled < 56 ? 56 : 120) - this.#filled + 8);
    const bits = new DataView(end.buffer, end.length - 8), length = this.#length;
    end[0] = 0x80;
    bits.setUint32(0, Math.floor(length / 2 ** 29));
    bits.setUint32(4, (length * 8) % 2 ** 32);
    this.update(end);
    return [...this.#state].map(word => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }
}
