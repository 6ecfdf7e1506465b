// The page of the shop: what it shows comes as a stream, what its forms send is sent again until it is answered.

import { element, euro, set, showOrders } from "/graph.js";

const get = (id) => document.getElementById(id);

// --- What is shown ----------------------------------------------------------------------------------------------

let process = null;
let isLost = false;
let view = null;

function follow() {
  const source = new EventSource("/api/live");
  source.onmessage = (message) => show(JSON.parse(message.data));
  source.onerror = () => {
    lost();
    // Otherwise it connects again by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 300);
  };
}

function lost() {
  isLost = true;
  document.body.dataset.connection = "lost";
  const who = process ? `Process ${process.id}` : "The shop";
  set(get("connection"), `${who} does not answer. A supervisor starts the next one at once…`);
}

function found(now) {
  if (process && process.id !== now.id) {
    document.body.dataset.connection = "restored";
    set(get("connection"), `Process ${process.id} is gone, and process ${now.id} goes on with what it left.`);
  } else if (isLost || !process) {
    delete document.body.dataset.connection;
    set(get("connection"), "Live. Whatever you see here happens in the store, and every process sees the same.");
  }
  isLost = false;
  process = now;
}

function show(news) {
  if (news.problem) {
    document.body.dataset.connection = "lost";
    set(get("connection"), news.problem);
    isLost = true;
    return;
  }
  view = news;
  found(view.process);
  showProcesses();
  showOrders(get("order-list"), view.orders);
  get("no-orders").hidden = view.orders.length > 0;
  showRows(get("locks"), view.locks, showLock);
  showRows(get("calls"), view.calls, showCall);
  get("no-calls").hidden = view.calls.length > 0;
  showRows(get("stock"), view.stock, showStock);
  set(get("income"), euro(view.income));
  showReport();
}

function showProcesses() {
  const all = view.processes.some((one) => one.id === view.process.id)
    ? view.processes
    : [...view.processes, view.process];
  const items = all.map((one) => {
    const isOwn = one.id === view.process.id;
    const store = isOwn ? `, ${view.store}` : "";
    return element("li", isOwn ? { class: "own" } : {}, `process ${one.id} on port ${one.port}${store}`);
  });
  replace(get("processes"), items);
}

function showRows(list, things, row) {
  replace(list, things.map((thing) => {
    const { name, badge, tone, more, data } = row(thing);
    return element(
      "li",
      data,
      element("span", { class: "name code", title: name }, name),
      element("span", { class: "badge", "data-tone": tone }, badge),
      element("span", { class: "more" }, more),
    );
  }));
}

function showLock({ key, holders, waiting }) {
  const badge = holders.length === 0 ? "free" : waiting.length ? `held, ${waiting.length} waiting` : "held";
  const more = holders.length ? `by ${holders.join(", ")}` : "";
  return { name: key, badge, tone: holders.length ? "busy" : "", more, data: { "data-lock": key } };
}

function showCall({ key, route, answer, refused, replays, mismatches }) {
  const more = [route];
  if (replays) more.push(`replayed ${replays === 1 ? "once" : `${replays} times`}`);
  if (mismatches) more.push("refused for another request");
  const [badge, tone] = answer
    ? [`answered ${answer}`, "done"]
    : refused ? [`refused ${refused}`, "bad"] : ["under way", "busy"];
  return { name: key, badge, tone, more: more.join(", "), data: { "data-key": key } };
}

function showStock({ sku, cents, left }) {
  return { name: sku, badge: `${left} left`, tone: left ? "" : "bad", more: `${euro(cents)} each`, data: { "data-sku": sku } };
}

function showReport() {
  if (!view.report) return;
  const { number, at, by, charges, cents } = view.report;
  const seconds = Math.max(0, Math.round((Date.now() - at) / 1000));
  set(get("report"), `Report ${number}, ${seconds} s ago, by ${by}: ${charges} ${charges === 1 ? "charge" : "charges"}, ${euro(cents)}.`);
}

/** Replaces what is in a list, if it is to look otherwise. */
function replace(list, items) {
  const markup = items.map((item) => item.outerHTML).join("");
  if (list.dataset.markup === markup.length + markup) return;
  list.dataset.markup = markup.length + markup;
  list.replaceChildren(...items);
}

// --- What is sent -------------------------------------------------------------------------------------------------

const newKey = () =>
  crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(16)).join("-");

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Sends a request, and again under the same key until somebody answers. */
async function send(path, fields, key, retrying) {
  const headers = { "content-type": "application/json" };
  if (key) headers["idempotency-key"] = `"${key}"`;
  for (let attempt = 1; ; attempt += 1) {
    const reply = await trySend(path, { method: "POST", headers, body: JSON.stringify(fields) });
    if (!reply.isLost || !key || attempt >= 60) return { ...reply, attempt };
    retrying?.();
    await pause(500);
  }
}

/** One attempt. Its answer is lost if nobody gave one, or one that tells to come again. */
async function trySend(path, request) {
  try {
    const response = await fetch(path, request);
    const answer = await response.json().catch(() => ({}));
    const isLost = response.status === 503;
    return { ok: response.ok, answer, isLost, replayed: response.headers.has("idempotent-replayed") };
  } catch {
    const detail = "The shop does not answer. Send it again later; under the same key nothing is done twice.";
    return { ok: false, answer: { detail }, isLost: true, replayed: false };
  }
}

function tell(place, kind, text) {
  place.dataset.kind = kind;
  set(place, text);
}

function clearErrors(form) {
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  for (const error of form.querySelectorAll(".error")) set(error, "");
}

/** Shows what is wrong beside the field that it is about, or below the form. */
function showProblem(form, place, { field, detail }) {
  const input = field && form.elements.namedItem(field);
  if (!input) {
    tell(place, "bad", detail ?? "That did not work. Try again.");
    return;
  }
  tell(place, "bad", "");
  input.setAttribute("aria-invalid", "true");
  set(get(`${field}-error`), detail);
  input.focus();
}

/** One request at a time for each form; the button says so, and keeps the focus. */
function onSubmit(form, place, act) {
  const button = form.querySelector("[type=submit]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    clearErrors(form);
    try {
      await act(Object.fromEntries(new FormData(form)));
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
}

const orderForm = get("order-form");
const orderResult = get("order-result");
onSubmit(orderForm, orderResult, async (fields) => {
  tell(orderResult, "", "Sent…");
  const again = () => tell(orderResult, "", "No answer: it is sent again under the same key…");
  const { ok, answer, attempt } = await send("/api/orders", fields, newKey(), again);
  if (!ok) return showProblem(orderForm, orderResult, answer);
  const late = attempt > 1 ? `, answered at attempt ${attempt}` : "";
  tell(orderResult, "good", `Order ${answer.order} is on its way${late}.`);
  orderResult.append(" ", element("a", { href: `#order-${answer.order}` }, "See it"));
});

const payForm = get("pay-form");
const payResult = get("pay-result");
onSubmit(payForm, payResult, async ({ key, ...fields }) => {
  // What a header can carry, and a string in it.
  if (!/^[\x20-\x21\x23-\x5b\x5d-\x7e]{1,255}$/.test(key)) {
    return showProblem(payForm, payResult, {
      field: "key",
      detail: "The key has 1 to 255 letters, digits or signs of ASCII, but no quotes and no backslash.",
    });
  }
  tell(payResult, "", "Sent…");
  const again = () => tell(payResult, "", "No answer: it is sent again under the same key…");
  const { ok, answer, replayed, attempt } = await send("/api/payments", fields, key, again);
  if (!ok) return showProblem(payForm, payResult, answer);
  const what = `${answer.charge} of ${euro(answer.cents)} for ${answer.invoice}`;
  if (replayed) return tell(payResult, "replayed", `Replayed: ${what}. Nothing was charged again.`);
  const late = attempt > 1 ? ` Answered at attempt ${attempt}.` : "";
  tell(payResult, "good", `Paid: ${what}.${late}`);
});

get("new-key").addEventListener("click", () => {
  get("key").value = newKey();
  clearErrors(payForm);
  tell(payResult, "", "");
});

get("write-report").addEventListener("click", async () => {
  const place = get("report-result");
  tell(place, "", "Asked for…");
  const { ok, answer } = await send("/api/report", {});
  if (!ok) return showProblem(payForm, place, answer);
  if (answer.written) return tell(place, "good", `Report ${answer.written} is written.`);
  tell(place, "replayed", "Skipped: another one is at it, or has been a moment ago.");
});

get("crash").addEventListener("click", async () => {
  set(get("connection"), "It is told to die…");
  await fetch("/crash", { method: "POST" }).catch(() => {});
});

get("key").value = newKey();
setInterval(() => view && showReport(), 1000);
follow();
