// Two browsers that find each other in a room, and the data channel between them.
//
// Each page says hello under a number of its own. Who hears a number for the first time says hello back; the page with
// the greater one offers. So a page that was loaded anew is met anew, and what was meant for the old one is ignored.

const CONNECT_WAIT = 20000;  // ms
const HIGH = 1 << 20, LOW = 1 << 18;  // bytes that wait in the channel: stop, go on

const LEFT = 'The other browser left. Waiting for one to come.';

const number = () => [...crypto.getRandomValues(new Uint32Array(4))].map(n => n.toString(16).padStart(8, '0')).join('');
const REFUSALS = {
  'Max room capacity reached': 'Two others are in this room already.',
  'Duplicated registration': 'Both places of this room are taken.',
  'Room id not signed for this client, or expired':
    'The server lets in only who has a room id that it signed, and this is none, or it has expired.',
};

// The names under which one may come in: a signed room id says them, r1.NONCE.EXPIRY.A.B.MAC.
function namesFor(room) {
  const parts = room.split('.');
  return parts.length === 6 && parts[0] === 'r1' ? parts.slice(3, 5) : [number()];
}

export class Link {
  #room; #names; #hooks; #ws; #pc; #channel; #timer; #partner = null; #me = number(); #over = false;

  // hooks: state(kind, text), open(), data(string or ArrayBuffer), shut(). What ends is said once, by state() with
  // the kind `left` (another may come) or `failed` (it is over).
  constructor(room, hooks) {
    this.#room = room;
    this.#names = namesFor(room);
    this.#hooks = hooks;
    this.#join();
  }

  get open() { return this.#channel?.readyState === 'open'; }
  get waiting() { return this.#channel?.bufferedAmount ?? 0; }

  send(data) { this.#channel.send(data); }

  // Resolves when the channel takes more; rejects when it is shut.
  async ready() {
    const channel = this.#channel;
    if (channel?.readyState === 'open' && channel.bufferedAmount >= HIGH)
      await new Promise(go => {
        channel.addEventListener('bufferedamountlow', go, {once: true});
        channel.addEventListener('close', go, {once: true});
      });
    if (channel !== this.#channel || channel?.readyState !== 'open') throw new Error('the connection ended');
  }

  leave() {
    if (this.#over) return;
    if (this.#partner) this.#say('bye');
    this.#over = true;
    this.#drop();
    this.#ws.close();
    // frees the place at once; else it is kept for 10 s
    const path = [this.#room, this.#names[0]].map(encodeURIComponent).join('/');
    fetch(new URL(path, location), {method: 'DELETE', keepalive: true}).catch(() => {});
  }

  #state(kind, text) { if (!this.#over) this.#hooks.state(kind, text); }

  #fail(text) {
    this.#state('failed', text);
    this.#over = true;
    this.#drop();
    this.#ws.close();
  }

  #join() {
    const url = new URL('ws', location), ws = new WebSocket(url.href.replace(/^http/, 'ws').replace(/#.*/, ''));
    let entered = false, refusal = null;
    this.#ws = ws;
    this.#state('joining', 'Joining the room …');
    ws.onopen = () => {
      entered = true;
      ws.send(JSON.stringify({cmd: 'register', roomid: this.#room, clientid: this.#names[0]}));
      this.#say('hello');
      this.#state('waiting', 'Waiting for the other browser.');
    };
    ws.onmessage = event => {
      const {msg, error} = JSON.parse(event.data);
      if (error) refusal = error;
      else this.#hear(JSON.parse(msg)).catch(problem => this.#fail(`Failed: ${problem.message}`));
    };
    ws.onclose = () => {
      if (this.#over) return;
      if (refusal === 'Duplicated registration' && this.#names.length > 1) {
        this.#names.shift();
        this.#join();
      } else if (refusal) this.#fail(REFUSALS[refusal] ?? `The server says: ${refusal}`);
      else if (!entered) this.#fail('The server lets no WebSocket of this page in, or is not there.');
      else if (this.open) this.#state('connected', 'Connected. The server is gone, so nobody else can come.');
      else this.#fail('The server ended the connection.');
    };
  }

  #say(type, more) {
    if (this.#ws.readyState !== 1) return;
    const msg = JSON.stringify({type, from: this.#me, to: this.#partner, ...more});
    this.#ws.send(JSON.stringify({cmd: 'send', msg}));
  }

  async #hear(m) {
    if (m.to && m.to !== this.#me) return;
    if (m.type === 'hello') return this.#greet(m);
    if (m.from !== this.#partner) return;
    const pc = this.#pc;
    if (m.type === 'bye') this.#lost(LEFT, false);
    else if (m.type === 'candidate') await pc.addIceCandidate(m.candidate);
    else if (m.type === 'answer') await pc.setRemoteDescription({type: 'answer', sdp: m.sdp});
    else if (m.type === 'offer') {
      await pc.setRemoteDescription({type: 'offer', sdp: m.sdp});
      await pc.setLocalDescription();
      if (pc === this.#pc) this.#say('answer', {sdp: pc.localDescription.sdp});
    }
  }

  async #greet(m) {
    const known = m.from === this.#partner;
    if (!known) {
      this.#drop();
      this.#partner = m.from;
    }
    if (m.to !== this.#me) this.#say('hello');
    if (!known) await this.#connect();
  }

  async #connect() {
    const pc = new RTCPeerConnection();
    this.#pc = pc;
    this.#state('connecting', 'The other browser is there. Connecting …');
    this.#timer = setTimeout(() => this.#nowhere(), CONNECT_WAIT);
    pc.onicecandidate = ({candidate}) => candidate && pc === this.#pc && this.#say('candidate', {candidate});
    pc.onconnectionstatechange = () => pc === this.#pc && this.#changed(pc.connectionState);
    pc.ondatachannel = ({channel}) => this.#take(channel);
    if (this.#me < this.#partner) return;
    this.#take(pc.createDataChannel('culvert'));
    await pc.setLocalDescription();
    if (pc === this.#pc) this.#say('offer', {sdp: pc.localDescription.sdp});
  }

  #take(channel) {
    channel.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = LOW;
    channel.onopen = () => {
      clearTimeout(this.#timer);
      this.#channel = channel;
      this.#hooks.open();
      this.#state('connected', 'Connected, browser to browser.');
    };
    channel.onmessage = event => channel === this.#channel && this.#hooks.data(event.data);
    // a page that goes closes it, at times before its bye is here; one that crashes does not
    channel.onclose = () => channel === this.#channel && this.#lost(LEFT, true);
  }

  #changed(now) {
    if (now === 'disconnected') this.#state('connecting', 'The other browser does not answer. Waiting for it …');
    else if (now === 'connected' && this.open) this.#state('connected', 'Connected, browser to browser.');
    else if (now === 'failed' && this.#channel)
      this.#lost('The connection to the other browser broke. Waiting for one to come.', true);
    else if (now === 'failed') this.#nowhere();
  }

  #nowhere() {
    this.#fail('No way from browser to browser was found: a firewall or NAT is between them.');
  }

  // The partner is gone; @again: it may still be there, and hear a new hello.
  #lost(text, again) {
    this.#drop();
    this.#partner = null;
    if (this.#ws.readyState !== 1) {
      this.#fail('The other browser is gone, and so is the server.');
      return;
    }
    this.#state('left', text);
    if (again) this.#say('hello');
  }

  #drop() {
    const channel = this.#channel, pc = this.#pc;
    clearTimeout(this.#timer);
    this.#channel = this.#pc = undefined;
    pc?.close();
    if (channel) this.#hooks.shut();
  }
}
