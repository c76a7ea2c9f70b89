// Keeps the page up to date: the server says that something has changed, the page fetches itself anew and takes over
// what differs. Without it every page works, and shows what was known when it was made.
"use strict";

(() => {
  const body = document.body;
  const watched = body.dataset.watches.split(" ").filter(Boolean);
  const liveness = document.getElementById("liveness");
  const news = document.getElementById("news");
  let ahead = Number(body.dataset.now) / 1e3 - Date.now();
  let seen = null;
  let busy = false;
  let again = false;

  const spanText = (milliseconds) => {
    const s = Math.max(0, Math.floor(milliseconds / 1e3));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
  };

  const setText = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };

  const tick = () => {
    const now = Date.now() + ahead;
    for (const one of document.querySelectorAll("[data-since]")) setText(one, spanText(now - one.dataset.since / 1e3));
    for (const one of document.querySelectorAll("[data-until]")) {
      const left = one.dataset.until / 1e3 - now;
      setText(one, left > 0 ? `${spanText(left)} left` : "over");
    }
  };

  const isSelectedIn = (region) => {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && region.contains(selection.anchorNode);
  };

  // Takes a region over, but leaves what is open open, and the focus where it was.
  const swap = (region, fresh) => {
    const focused = region.contains(document.activeElement) ? document.activeElement : null;
    const mark = focused && (focused.id ? `#${CSS.escape(focused.id)}`
      : focused.getAttribute("href") ? `a[href="${CSS.escape(focused.getAttribute("href"))}"]` : null);
    for (const details of region.querySelectorAll("details[id]")) {
      const same = fresh.querySelector(`#${CSS.escape(details.id)}`);
      if (same) same.open = details.open;
    }
    region.replaceWith(fresh);
    if (mark) fresh.querySelector(mark)?.focus({ preventScroll: true });
  };

  const fetchPage = async (url) => {
    const answer = await fetch(url, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };

  // At most once a second, however fast things change.
  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    const rest = new Promise((resolve) => setTimeout(resolve, 1_000));
    try {
      const page = await fetchPage(location.href);
      for (const region of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(region.id);
        if (fresh && !isSelectedIn(region)) swap(region, document.importNode(fresh, true));
      }
      document.title = page.title;
      tick();
    } catch {
      // The stream tells when the console is back.
    }
    await rest;
    busy = false;
    if (again) { again = false; refresh(); }
  };

  const tell = (lines) => {
    for (const line of lines) {
      const told = document.createElement("p");
      told.textContent = line;
      news.append(told);
      setTimeout(() => told.remove(), 12_000);
    }
  };

  const follow = () => {
    const stream = new EventSource("/events");
    stream.addEventListener("state", (event) => {
      const state = JSON.parse(event.data);
      ahead = state.now / 1e3 - Date.now();
      const mine = watched.map((name) => state.versions[name] ?? 0).join(" ");
      if (mine !== seen && seen !== null) refresh();
      seen = mine;
      setText(liveness, "This page follows by itself.");
      tell(state.news);
    });
    stream.addEventListener("error", () => {
      setText(liveness, "The console does not answer; trying again.");
      // Refused (too many browsers), a stream is not opened again by the browser itself.
      if (stream.readyState === EventSource.CLOSED) setTimeout(() => { refresh(); follow(); }, 10_000);
      else seen = "";
    });
  };

  const player = document.getElementById("player");
  if (player) {
    const scrub = document.getElementById("scrub");
    const play = document.getElementById("play");
    const last = Number(player.dataset.steps) - 1;
    const frames = new Map();
    let timer = null;
    const frameAt = (step) => {
      if (!frames.has(step)) {
        const url = `${location.pathname}?step=${step}`;
        frames.set(step, fetchPage(url).then((page) => page.getElementById("frame")));
        if (frames.size > 300) frames.delete(frames.keys().next().value);
      }
      return frames.get(step);
    };
    const show = async (step) => {
      scrub.value = step;
      try {
        const frame = await frameAt(step);
        if (Number(scrub.value) !== step) return;
        swap(document.getElementById("frame"), document.importNode(frame, true));
        history.replaceState(null, "", `?step=${step}`);
        if (step < last) frameAt(step + 1).catch(() => frames.delete(step + 1));
      } catch {
        frames.delete(step);
      }
    };
    const stop = () => {
      clearInterval(timer);
      timer = null;
      play.textContent = "Play";
      play.setAttribute("aria-pressed", "false");
    };
    play.addEventListener("click", () => {
      if (timer) { stop(); return; }
      if (Number(scrub.value) >= last) show(0);
      play.textContent = "Pause";
      play.setAttribute("aria-pressed", "true");
      timer = setInterval(() => {
        if (Number(scrub.value) >= last) stop();
        else show(Number(scrub.value) + 1);
      }, 600);
    });
    scrub.addEventListener("input", () => { if (timer) stop(); show(Number(scrub.value)); });
    player.hidden = last < 1;
  }

  tick();
  setInterval(tick, 1_000);
  follow();
})();
