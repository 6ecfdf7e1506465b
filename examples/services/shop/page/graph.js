// Orders as graphs of steps. What is shown already is changed in place, so that nothing flickers.

const STATES = {
  running: ["on its way", "busy"],
  undoing: ["being undone", "undo"],
  completed: ["completed", "done"],
  undone: ["undone", "undo"],
  stuck: ["stuck", "bad"],
  abandoned: ["abandoned", "bad"],
};

const MARKS = { done: "✓", failed: "✕", undone: "↶", skipped: "–" };

const NOT_REACHED = new Set(["waiting", "skipped"]);

/** An element with attributes and children. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export const euro = (cents) =>
  (cents / 100).toLocaleString("en", { style: "currency", currency: "EUR" });

const times = (count) => (count === 1 ? "once" : count === 2 ? "twice" : `${count} times`);

const shown = new Map();

export function showOrders(list, orders) {
  for (const order of orders) {
    const known = shown.get(order.number) ?? newOrder(order);
    shown.set(order.number, known);
    update(known, order);
  }
  const numbers = new Set(orders.map((order) => order.number));
  for (const [number, { article }] of shown) {
    if (numbers.has(number)) continue;
    article.remove();
    shown.delete(number);
  }
  orders.forEach((order, place) => {
    const { article } = shown.get(order.number);
    if (list.children[place] !== article) list.insertBefore(article, list.children[place] ?? null);
  });
}

function newOrder(order) {
  const heading = `order-${order.number}`;
  const badge = element("span", { class: "badge" });
  const steps = order.groups.map((group) => group.map(newStep));
  const groups = steps.map((group) => element("li", { class: "group" }, ...group.map(({ box }) => box)));
  const notes = element("p", { class: "notes" });
  const article = element(
    "article",
    { class: "order", "aria-labelledby": heading, "data-order": order.number },
    element(
      "header",
      {},
      element("h3", { id: heading }, `Order ${order.number}`),
      element("span", { class: "what" }, `${order.quantity} × ${order.sku} for ${order.customer}, ${euro(order.cents)}`),
      badge,
    ),
    element("ol", { class: "graph", "aria-label": "Steps" }, ...groups),
    notes,
  );
  return { article, badge, groups, steps, notes };
}

function newStep(step) {
  const mark = element("span", { class: "mark", "aria-hidden": "true" });
  const how = element("span", { class: "how" });
  const box = element(
    "div",
    { class: "step", "data-step": step.id },
    mark,
    element("span", { class: "name" }, step.id),
    how,
  );
  return { box, mark, how };
}

function update({ article, badge, groups, steps, notes }, order) {
  const [word, tone] = STATES[order.state] ?? [order.state, "bad"];
  article.dataset.state = order.state;
  article.dataset.takeovers = order.takeovers;
  set(badge, word);
  badge.dataset.tone = tone;
  order.groups.forEach((group, place) => {
    groups[place].dataset.reached = group.some((step) => !NOT_REACHED.has(step.state));
    group.forEach((step, number) => updateStep(steps[place][number], step));
  });
  const failure = order.failure ? element("span", { class: "failure" }, `${order.failure} `) : "";
  const text = notesOf(order).join(" · ");
  if (notes.textContent !== `${failure.textContent ?? ""}${text}`) notes.replaceChildren(failure, text);
}

function updateStep({ box, mark, how }, step) {
  box.dataset.state = step.state;
  set(mark, MARKS[step.state] ?? "");
  set(how, describe(step));
}

function describe(step) {
  switch (step.state) {
    case "waiting": return "waits";
    case "running": return step.failures ? `failed ${times(step.failures)}, tries again` : "at it…";
    case "retrying": return `failed ${times(step.failures)}, tries again`;
    case "done": return step.failures ? `done, after it failed ${times(step.failures)}` : "done";
    case "failed": return step.failures > 1 ? `failed ${times(step.failures)}` : "failed";
    case "undoing": return `${step.undo}…`;
    case "undone": return `undone: ${step.undo}`;
    default: return step.state;
  }
}

function notesOf(order) {
  const notes = [];
  if (order.takeovers) notes.push(`Taken over ${times(order.takeovers)} from a process that died`);
  if (order.charges) {
    const asked = order.asked > order.charges ? `asked ${times(order.asked)}, ` : "";
    const back = order.refunded ? ", and paid back" : "";
    notes.push(`${capital(`${asked}charged ${times(order.charges)}`)}${back}`);
  }
  return notes;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Changes a text only if it is another one. */
export function set(target, text) {
  if (target.textContent !== text) target.textContent = text;
}
