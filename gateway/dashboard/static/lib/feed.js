// The live feed: one WebSocket, a snapshot, then contiguous frames; resumed after a break, begun anew after a gap.
//
//   const feed = new Feed({onView(name, data), onFact(fact), onState(state)})
//   feed.start(); feed.stop()
//   const unwatch = feed.watch("market:BTC-USDC-PERP.PAPER", (frame) => ...)     a topic, while somebody looks at it
//   feed.state     "connecting" | "live" | "polling" | "away" | "lost"
//   feed.lastMs    performance.now() of the last frame
//   feed.covers(name)   the feed brings this view, so that nobody needs to ask for it
//
// "polling": the server has a socket but not this protocol (no `stream` in its snapshot): the store asks REST instead.
// "away": the gateway is there and the engine does not answer it: what is shown is old from now on.
// "lost": no socket; tried again after 0.5 s, 1 s, ... 15 s, and at once when the browser comes back online.
// Close codes: 4401 the session ended (to /login); 4408 we were too slow (resume at once). A topic's callback gets every
// frame that names it: {type: "market", data} or {type: "error", text}.

import { endSession } from "./api.js";

const FIRST_MS = 500;
const LONGEST_MS = 15_000;
const SILENT_MS = 15_000; // then we ask whether somebody is there, and after as long again the socket is given up
const SESSION_ENDED = 4401;
const TOO_SLOW = 4408;

export class Feed {
  constructor({ onView, onFact, onState }) {
    this.onView = onView;
    this.onFact = onFact;
    this.onState = onState;
    this.state = "connecting";
    this.lastMs = 0;
    this.names = new Set();
    this.topics = new Map();
    this.stream = "";
    this.n = -1;
    this.failures = 0;
    this.socket = null;
    this.timer = 0;
  }

  start() {
    addEventListener("online", () => this.hurry());
    addEventListener("pagehide", () => this.stop());
    addEventListener("pageshow", (event) => event.persisted && this.connect());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.hurry());
    setInterval(() => this.look(), 5_000);
    this.connect();
  }

  stop() {
    clearTimeout(this.timer);
    this.socket?.close();
    this.socket = null;
  }

  covers(name) {
    return this.state === "live" && this.names.has(name);
  }

  watch(topic, callback) {
    const callbacks = this.topics.get(topic) ?? new Set();
    if (!callbacks.size) this.say({ type: "watch", topic });
    this.topics.set(topic, callbacks.add(callback));
    return () => {
      callbacks.delete(callback);
      if (callbacks.size) return;
      this.topics.delete(topic);
      this.say({ type: "unwatch", topic });
    };
  }

  say(frame) {
    if (this.socket?.readyState === WebSocket.OPEN && this.stream) this.socket.send(JSON.stringify(frame));
  }

  hurry() {
    if (this.state !== "lost") return;
    clearTimeout(this.timer);
    this.connect();
  }

  look() {
    const silentMs = performance.now() - this.lastMs;
    if (this.state !== "live" && this.state !== "away") return;
    if (silentMs > 2 * SILENT_MS) this.socket?.close();
    else if (silentMs > SILENT_MS) this.say({ type: "ping" });
  }

  enter(state) {
    if (state === this.state) return;
    this.state = state;
    this.onState(state);
  }

  connect() {
    clearTimeout(this.timer);
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/feed`);
    this.socket = socket;
    socket.onopen = () => {
      const known = this.stream && this.n >= 0;
      socket.send(JSON.stringify(known ? { type: "resume", stream: this.stream, n: this.n } : { type: "start" }));
    };
    socket.onmessage = (event) => socket === this.socket && this.take(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.socket && this.closed(event.code);
  }

  closed(code) {
    this.socket = null;
    if (code === SESSION_ENDED) return endSession();
    if (code !== TOO_SLOW || this.failures) this.enter("lost");
    const pause = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(this.failures, 6));
    this.failures += 1;
    this.timer = setTimeout(() => this.connect(), pause * (0.75 + Math.random() / 2));
  }

  begin() {
    // from nothing: the server answers with a snapshot
    this.stream = "";
    this.n = -1;
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.connect();
  }

  take(frame) {
    this.lastMs = performance.now();
    switch (frame.type) {
      case "snapshot":
        return this.snapshot(frame);
      case "resumed":
        return frame.stream === this.stream && frame.n === this.n ? this.live(frame.connected) : this.begin();
      case "market":
      case "error":
        if (frame.type === "error") console.warn("feed:", frame.text);
        return this.topics.get(frame.topic)?.forEach((callback) => callback(frame));
      case "pong":
        return undefined;
    }
    if (!this.stream) return frame.type === "fact" && this.onFact(frame.data);
    if (frame.n !== this.n + 1) return this.begin();
    this.n = frame.n;
    if (frame.type === "link") return this.live(frame.connected);
    if (frame.type === "view") {
      this.names.add(frame.name);
      this.onView(frame.name, frame.data);
    } else if (frame.type === "fact") this.onFact(frame.data);
    return undefined;
  }

  snapshot(frame) {
    this.stream = frame.stream ?? "";
    this.n = frame.n ?? 0;
    this.names = new Set(this.stream ? Object.keys(frame.data) : []);
    for (const [name, data] of Object.entries(frame.data)) this.onView(name, data);
    this.live(frame.connected ?? true);
  }

  live(connected) {
    this.failures = 0;
    const before = this.state;
    this.enter(!connected ? "away" : this.stream ? "live" : "polling");
    if (before !== "live") for (const topic of this.topics.keys()) this.say({ type: "watch", topic });
  }
}
