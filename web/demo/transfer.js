// Files over a link: a head, the bytes in order, an end with their SHA-256, and the receiver's word on it.
import {Sha256} from './sha256.js';

export const FILE_MAX = 512 << 20;  // bytes: who receives holds them in memory
const CHUNK = 16 << 10;  // bytes of a message that every browser takes
const SLAB = 1 << 20;    // that are read at once

// Returns the SHA-256 of what was sent. Throws when the link ends, or the file cannot be read.
export async function sendFile(link, file, id, progress) {
  const sum = new Sha256();
  link.send(JSON.stringify({type: 'file', id, name: file.name, size: file.size}));
  for (let at = 0; at < file.size; at += SLAB) {
    const slab = new Uint8Array(await file.slice(at, at + SLAB).arrayBuffer());
    sum.update(slab);
    for (let i = 0; i < slab.length; i += CHUNK) {
      await link.ready();
      link.send(slab.subarray(i, i + CHUNK));
      progress(at + i - link.waiting);
    }
  }
  await link.ready();
  const sha256 = sum.hex();
  link.send(JSON.stringify({type: 'end', id, sha256}));
  return sha256;
}

// What comes in of one file.
export class Incoming {
  #parts = [];
  #sum = new Sha256();
  received = 0;

  // @head is the other's word, and not trusted. Throws when the file is none that can be taken.
  constructor({id, name, size}) {
    if (typeof name !== 'string' || !Number.isSafeInteger(size) || size < 0 || size > FILE_MAX)
      throw new Error('a file that is too big');
    this.id = id;
    this.name = name.slice(0, 255);
    this.size = size;
  }

  take(buffer) {
    if (this.received + buffer.byteLength > this.size) throw new Error('more bytes than were announced');
    this.received += buffer.byteLength;
    this.#sum.update(new Uint8Array(buffer));
    this.#parts.push(buffer);
  }

  // {sha256, good, blob}: good when all is there, and is what was sent.
  end(theirs) {
    const sha256 = this.#sum.hex();
    return {sha256, good: this.received === this.size && sha256 === theirs, blob: new Blob(this.#parts)};
  }
}
