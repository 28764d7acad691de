// Keeps the page up to date, and sends what its buttons say. No library: the page works with what a browser has.
"use strict";
(function () {
  const root = document.getElementById("gpus");
  const { live, api, xsrf } = root.dataset;

  // -- times in the reader's own time zone ----------------------------------------------------------------------
  const sameDay = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const otherDay = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

  function localise(within) {
    for (const time of within.querySelectorAll("time")) {
      const moment = new Date(time.dateTime);
      const today = moment.toDateString() === new Date().toDateString();
      time.textContent = (today ? sameDay : otherDay).format(moment);
      time.title = moment.toLocaleString();
    }
  }

  // -- new parts, put in without taking the button away that is being pressed ------------------------------------
  function morph(from, to) {
    if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName || from.id !== to.id) {
      from.replaceWith(to);
      return;
    }
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
      return;
    }
    if (from.nodeName === "DETAILS") return; // opened and filled by the reader
    for (const { name } of [...from.attributes]) if (!to.hasAttribute(name)) from.removeAttribute(name);
    for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    if (!from.hasAttribute("data-keep")) morphChildren(from, to);
  }

  function morphChildren(from, to) {
    const named = new Map([...from.children].filter((child) => child.id).map((child) => [child.id, child]));
    let here = from.firstChild;
    for (const wanted of [...to.childNodes]) {
      const known = wanted.id && named.get(wanted.id);
      if (known) {
        if (known === here) here = here.nextSibling; else from.insertBefore(known, here);
        morph(known, wanted);
      } else if (here && !wanted.id && !here.id && here.nodeName === wanted.nodeName) {
        const next = here.nextSibling;
        morph(here, wanted);
        here = next;
      } else {
        from.insertBefore(wanted, here);
      }
    }
    while (here) {
      const next = here.nextSibling;
      here.remove();
      here = next;
    }
  }

  function put(parts) {
    for (const [id, html] of Object.entries(parts)) {
      const old = document.getElementById(id), fresh = document.createElement("div");
      fresh.innerHTML = html; // drawn and escaped by our own server
      localise(fresh);
      if (!old) continue;
      if (id.startsWith("card-")) morph(old, fresh.firstElementChild); else morphChildren(old, fresh);
    }
    tellTab();
  }

  // A tab in the background tells its reader's place, and that it is their turn.
  const title = document.title;
  const waiting = () => root.querySelector("[data-waiting]");
  function tellTab() {
    document.title = waiting() ? `${waiting().dataset.waiting} ${title}` : title;
  }

  // -- the stream ------------------------------------------------------------------------------------------------
  const lost = document.getElementById("lost");
  let stream = null, failures = 0, again = 0;

  function tellLost(words) {
    lost.textContent = words;
    lost.classList.toggle("d-none", !words);
  }

  function listen() {
    clearTimeout(again);
    if (stream || unseen()) return;
    stream = new EventSource(`${live}?_xsrf=${encodeURIComponent(xsrf)}`);
    stream.onopen = () => { failures = 0; tellLost(""); };
    stream.onmessage = (event) => put(JSON.parse(event.data));
    stream.onerror = () => {
      hush();
      failures += 1;
      if (failures > 1) tellLost(root.dataset.lost);
      again = setTimeout(check, Math.min(1000 * failures, 10000));
    };
  }

  function hush() {
    if (stream) stream.close();
    stream = null;
  }

  // A stream that does not open says not why: ask, and let who is signed out sign in again.
  async function check() {
    try {
      const answer = await fetch(api, { headers: { "X-XSRFToken": xsrf, Accept: "application/json" } });
      if (answer.status === 401 || answer.status === 403) return location.reload();
    } catch { /* not even an answer: the next try tells */ }
    listen();
  }

  // A page that nobody looks at needs no news, but for one that waits; browsers allow few connections to one host.
  function unseen() { return document.hidden && !waiting(); }
  document.addEventListener("visibilitychange", () => { if (unseen()) hush(); else listen(); });
  addEventListener("pagehide", hush);
  addEventListener("pageshow", (event) => { if (event.persisted) listen(); });

  // -- what buttons do -------------------------------------------------------------------------------------------
  const done = document.getElementById("done");
  const ask = document.getElementById("ask"), form = document.getElementById("ask-form");
  let asking = null;

  function tell(words, level) {
    const box = document.createElement("div");
    box.className = `alert alert-${level}`;
    box.textContent = words;
    done.replaceChildren(box);
    box.scrollIntoView({ block: "nearest" });
    if (level === "success") setTimeout(() => box.remove(), 20000);
  }

  async function send(button, body) {
    const { path, method } = button.dataset;
    button.disabled = true;
    try {
      const answer = await fetch(api + path, {
        method,
        headers: { "X-XSRFToken": xsrf, "Content-Type": "application/json", Accept: "application/json" },
        body: method === "DELETE" ? undefined : JSON.stringify(body),
      });
      const said = await answer.json();
      tell(said.message || said.error, answer.ok ? "success" : "danger");
    } catch {
      tell(root.dataset.failed, "danger");
    }
    button.disabled = false;
  }

  function open(button) {
    const { ask: title, text, ok, style, reason, seconds } = button.dataset;
    asking = button;
    document.getElementById("ask-title").textContent = title;
    document.getElementById("ask-text").textContent = text;
    const confirm = document.getElementById("ask-ok");
    confirm.textContent = ok;
    confirm.className = `btn btn-${style}`;
    for (const [name, wanted] of [["reason", reason], ["seconds", seconds]]) {
      form.querySelector(`[data-field=${name}]`).hidden = !wanted;
      form.elements[name].disabled = !wanted;
    }
    form.elements.reason.value = "";
    form.elements.reason.required = Boolean(reason);
    ask.showModal();
  }

  root.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-path]");
    if (!button) return;
    if (button.dataset.ask) open(button);
    else send(button, JSON.parse(button.dataset.body || "{}"));
  });

  form.addEventListener("submit", () => {
    const body = {};
    if (!form.elements.reason.disabled) body.reason = form.elements.reason.value;
    if (!form.elements.seconds.disabled) body.seconds = Number(form.elements.seconds.value);
    send(asking, body);
  });
  document.getElementById("ask-cancel").addEventListener("click", () => ask.close());

  // -- why not yet: asked for when somebody opens it ---------------------------------------------------------------
  root.addEventListener("toggle", async (event) => {
    const details = event.target;
    if (!details.dataset.why || !details.open) return;
    const answer = await fetch(details.dataset.why, { headers: { "X-XSRFToken": xsrf } }).catch(() => null);
    const fresh = document.createElement("div");
    if (answer && answer.ok) fresh.innerHTML = await answer.text(); // drawn and escaped by our own server
    else fresh.textContent = root.dataset.failed;
    details.lastElementChild.replaceWith(fresh);
  }, true);

  localise(root);
  tellTab();
  listen();
})();
