// The page: what is seen, and what keys and clicks do.
import {Link} from './link.js';
import {FILE_MAX, Incoming, sendFile} from './transfer.js';

const at = id => document.getElementById(id);
const unsent = new Map();  // rows of files that the other has not confirmed, by id
let link = null, incoming = null, row = null, nextFile = 1, sending = Promise.resolve();

function show(kind, text) {
  at('state').dataset.kind = kind;
  at('state').textContent = text;
  const inside = kind !== 'idle' && kind !== 'failed';
  at('join').hidden = inside;
  at('share').hidden = !inside;
  if (kind === 'failed') link = null;
  for (const id of ['text', 'file']) at(id).disabled = !link?.open;
  at('say').querySelector('button').disabled = !link?.open;
}

function node(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text ?? '';
  if (className) made.className = className;
  return made;
}

function said(who, text, mine) {
  const item = node('li', '', mine ? 'mine' : '');
  item.append(node('b', who), text);
  at('log').append(item);
  item.scrollIntoView({block: 'nearest'});
}

const size = bytes => bytes < 1024 ? `${bytes} B` : bytes < 1 << 20 ? `${(bytes / 1024).toFixed(1)} KiB`
  : `${(bytes / (1 << 20)).toFixed(1)} MiB`;

// One file in the list.
class Row {
  constructor(what, name, bytes) {
    this.item = node('li');
    this.bar = node('progress');
    this.bar.max = Math.max(bytes, 1);
    this.bar.value = 0;
    this.bar.setAttribute('aria-label', name);
    this.note = node('p');
    this.total = bytes;
    this.item.append(node('span', `${what} ${name}, ${size(bytes)}`), this.bar, this.note);
    at('files').prepend(this.item);
  }

  progress(bytes) {
    this.bar.value = Math.max(bytes, 0);
    this.note.textContent = `${size(Math.max(bytes, 0))} of ${size(this.total)}`;
  }

  end(good, text, sha256) {
    this.bar.remove();
    this.note.className = good ? 'good' : 'bad';
    this.note.textContent = text;
    if (!sha256) return;
    const line = node('p', 'SHA-256 ');
    line.append(node('code', sha256));
    this.item.append(line);
  }

  offer(blob, name) {
    const anchor = node('a', `Save ${name}`);
    anchor.href = URL.createObjectURL(blob);
    anchor.download = name;
    this.item.append(anchor);
  }
}

const tell = message => link.send(JSON.stringify(message));

function refuse(problem) {
  tell({type: 'got', id: incoming?.id, good: false});
  row?.end(false, `Refused: ${problem.message}`);
  incoming = row = null;
}

function begin(head) {
  incoming = new Incoming(head);
  row = new Row('From the other:', incoming.name, incoming.size);
}

function finish({sha256: theirs}) {
  const {sha256, good, blob} = incoming.end(theirs);
  row.end(good, good ? 'Received whole: the SHA-256 is the sender’s.' : 'Damaged: the SHA-256 is not the sender’s.', sha256);
  if (good) row.offer(blob, incoming.name);
  tell({type: 'got', id: incoming.id, good});
  incoming = row = null;
}

function confirmed({id, good}) {
  const {row: sent, sha256} = unsent.get(id) ?? {};
  unsent.delete(id);
  sent?.end(good, good ? 'Sent: the other browser has it, with the same SHA-256.' : 'The other browser refused it.', sha256);
}

function data(message) {
  try {
    if (typeof message !== 'string') {
      if (!incoming) return;  // the rest of a refused file
      incoming.take(message);
      row.progress(incoming.received);
      return;
    }
    const m = JSON.parse(message);
    if (m.type === 'chat') said('Other', String(m.text).slice(0, 4000), false);
    else if (m.type === 'file') begin(m);
    else if (m.type === 'end' && incoming) finish(m);
    else if (m.type === 'got') confirmed(m);
  } catch (problem) {
    refuse(problem);
  }
}

// Whatever is under way ends with the channel.
function shut() {
  row?.end(false, 'Not received: the connection ended.');
  for (const {row: sent} of unsent.values()) sent.end(false, 'Not sent: the connection ended.');
  unsent.clear();
  incoming = row = null;
}

async function send(file) {
  const sent = new Row('To the other:', file.name, file.size), id = nextFile++;
  if (file.size > FILE_MAX) {
    sent.end(false, 'It is bigger than 512 MiB.');
    return;
  }
  const entry = {row: sent};
  unsent.set(id, entry);
  try {
    entry.sha256 = await sendFile(link, file, id, bytes => unsent.has(id) && sent.progress(bytes));
    if (unsent.has(id)) sent.progress(file.size);
  } catch (problem) {
    if (unsent.delete(id)) sent.end(false, `Not sent: ${problem.message}`);
  }
}

function join(room) {
  history.replaceState(null, '', `#${encodeURIComponent(room)}`);
  at('room').value = room;
  at('link').value = location.href;
  at('talk').hidden = false;
  link = new Link(room, {state: show, open() {}, data, shut});
}

function leave() {
  link?.leave();
  link = null;
  show('idle', 'You left the room.');
  at('room').focus();
}

at('join').addEventListener('submit', event => {
  event.preventDefault();
  join(at('room').value.trim());
});
at('invent').addEventListener('click', () => {
  at('room').value = [...crypto.getRandomValues(new Uint8Array(8))].map(n => n.toString(16).padStart(2, '0')).join('');
  at('room').focus();
});
at('leave').addEventListener('click', leave);
at('copy').addEventListener('click', async () => {
  at('link').select();
  try {
    await navigator.clipboard.writeText(at('link').value);
    at('copy').textContent = 'Copied';
  } catch {
    at('copy').textContent = 'Selected';  // without https: the keyboard copies it
  }
});
at('say').addEventListener('submit', event => {
  event.preventDefault();
  if (!link?.open) return;
  tell({type: 'chat', text: at('text').value});
  said('You', at('text').value, true);
  at('text').value = '';
});
at('file').addEventListener('change', () => {
  for (const file of at('file').files) sending = sending.then(() => send(file));
  at('file').value = '';
});
addEventListener('pagehide', () => link?.leave());

show('idle', 'Not in a room.');
if (location.hash.length > 1) join(decodeURIComponent(location.hash.slice(1)));
