"use strict";
// The page asks /api/now once a second and computes rates from counters. Whatever comes from elsewhere is set as text, never as HTML.

const byID = (id) => document.getElementById(id);
const nbsp = "\u00a0";    // between a number and its unit
const period = 1000;      // milliseconds from one look at the counters to the next
const queryPeriod = 5000; // and at the statements
const kept = 120;         // points of a chart
const rowsAtOnce = 50;    // rows of statements that are drawn; "Show more" draws as many again

let token = "", acts = "nothing", user = "";

// ask sends a question. Its error has words for a person.
async function ask(path, body) {
  const options = { cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(body ? 20000 : 4000) };
  if (body) {
    options.method = "POST";
    options.headers = { "Content-Type": "application/json", "X-Overdrive-Token": token };
    options.body = JSON.stringify(body);
  }
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error || response.statusText);
  return answer;
}

// --- how things are written ---

const number = (n) => n >= 100 || Number.isInteger(n) ? Math.round(n).toLocaleString("en-US") : n.toFixed(1);
const percent = (r) => r === null ? "–" : (100 * r).toFixed(r > 0.999 || r === 0 ? 0 : 1) + nbsp + "%";
const share = (a, b) => b > 0 ? a / b : null;

function time(seconds) {
  if (seconds === null) return "–";
  if (seconds === 0) return "0";
  for (const [unit, size] of [["h", 3600], ["min", 60], ["s", 1], ["ms", 1e-3]])
    if (seconds >= size) return (seconds / size).toFixed(seconds / size < 10 ? 1 : 0) + nbsp + unit;
  return Math.max(1, Math.round(seconds * 1e6)) + nbsp + "µs";
}

function size(bytes) {
  for (const [unit, one] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]])
    if (bytes >= one) return (bytes / one).toFixed(1) + nbsp + unit;
  return bytes + nbsp + "B";
}

// say sets a text that is read out when it changes.
function say(where, words, bad) {
  if (where.textContent !== words) where.textContent = words;
  where.className = bad ? "bad" : "";
}

function cell(row, text, name) {
  const td = row.insertCell();
  if (name) td.className = name;
  td.textContent = text;
  return td;
}

// --- counters ---

let before = null; // the document before the one at hand
const series = {}; // points by chart

// since subtracts counters, which begin anew when the database is served again.
const since = (now, then) => now >= then ? now - then : now;

const buckets = (now, then) => now.map((n, i) => since(n, then[i] || 0));
const addUp = (sum, list) => list.map((n, i) => n + (sum[i] || 0)).concat(sum.slice(list.length));

// quantile is the time within which that share of answers came. The bound of bucket i is 2^(i-20) seconds; within a bucket it is a guess.
function quantile(list, q) {
  const total = list.reduce((a, b) => a + b, 0);
  if (total === 0) return null;
  let rest = q * total;
  for (let i = 0; i < list.length; i++) {
    if (rest <= list[i]) return 2 ** (i - 21 + rest / list[i]);
    rest -= list[i];
  }
  return 2 ** (list.length - 21);
}

// rates is what one database did between two documents.
function rates(now, then, seconds) {
  const d = {};
  for (const name of ["statements", "hits", "misses", "errors"]) d[name] = since(now[name], then[name]) / seconds;
  d.server = buckets(now.server || [], then.server || []);
  d.cache = buckets(now.cache || [], then.cache || []);
  return d;
}

function tell(doc) {
  if (before && before.token !== doc.token) { // the program was started again
    before = null;
    for (const name in series) delete series[name];
  }
  token = doc.token;
  greet(doc);
  names(doc.databases);
  if (before && doc.at > before.at) {
    const chosen = byID("database").value;
    const old = new Map(before.databases.map((d) => [d.name, d]));
    const sum = { statements: 0, hits: 0, misses: 0, server: [], cache: [], leased: 0, waiting: 0 }, rows = [];
    for (const d of doc.databases) {
      if (chosen && d.name !== chosen) continue;
      const r = rates(d, old.get(d.name) || d, doc.at - before.at);
      for (const name of ["statements", "hits", "misses"]) sum[name] += r[name];
      for (const name of ["server", "cache"]) sum[name] = addUp(sum[name], r[name]);
      for (const p of d.pools) { sum.leased += p.leased; sum.waiting += p.waiting; }
      rows.push([d, r]);
    }
    numbers(sum);
    pools(rows);
  }
  if (!before || doc.at > before.at) before = doc;
}

function greet(doc) {
  byID("version").textContent = doc.version;
  user = doc.user;
  byID("who").textContent = user ? "logged in as " + user : "";
  byID("login").hidden = user !== "" || !doc.mayLogIn;
  acts = doc.acts;
}

// names keeps the lists of databases up to date.
let known = "";
function names(databases) {
  const list = databases.filter((d) => d.others === 0).map((d) => d.name);
  const now = JSON.stringify(list);
  if (now === known) return;
  known = now;
  for (const id of ["database", "purge-database"]) {
    const select = byID(id), chosen = select.value;
    select.replaceChildren();
    for (const name of id === "database" ? ["", ...list] : list) {
      const option = document.createElement("option");
      option.value = name;
      option.textContent = name || "all";
      select.append(option);
    }
    if (list.includes(chosen)) select.value = chosen;
  }
}

function numbers(sum) {
  const p = {
    rate: [sum.statements, sum.hits], ratio: [share(sum.hits, sum.statements)],
    server: [quantile(sum.server, 0.5), quantile(sum.server, 0.99)],
    cache: [quantile(sum.cache, 0.5), quantile(sum.cache, 0.99)],
    pools: [sum.leased, sum.waiting],
  };
  const could = share(sum.hits, sum.hits + sum.misses);
  const texts = {
    rate: number(sum.statements), ratio: percent(p.ratio[0]), could: could === null ? "hits" : "hits; " + percent(could) + " of cacheable",
    "server-median": time(p.server[0]), "server-p99": time(p.server[1]), "cache-median": time(p.cache[0]), "cache-p99": time(p.cache[1]),
    leased: number(sum.leased), waiting: number(sum.waiting),
  };
  for (const id in texts) byID(id).textContent = texts[id];
  chart("rate", p.rate, ["a", "b"], number, "Statements per second");
  chart("ratio", p.ratio, ["b"], percent, "Hit ratio", 1);
  chart("server", p.server, ["a", "c"], time, "Time of answers by the server");
  chart("cache", p.cache, ["a", "c"], time, "Time of answers by the cache");
  chart("pools", p.pools, ["a", "c"], number, "Server connections in use, and clients that wait");
}

// chart adds one point to each line of a chart. null is a gap.
function chart(name, points, lines, write, words, most) {
  const all = series[name] = (series[name] || []);
  all.push(points);
  if (all.length > kept) all.shift();
  const svg = byID("chart-" + name);
  const top = most || Math.max(...all.flat().map((v) => v || 0)) || 1;
  const drawn = [];
  lines.forEach((line, k) => {
    let run = [];
    const end = () => {
      if (run.length > 0) drawn.push(polyline(run.length > 1 ? run : [run[0], run[0]], line));
      run = [];
    };
    all.forEach((values, i) => {
      if (values[k] === null) return end();
      const x = 240 * (kept - all.length + i) / (kept - 1), y = 58 - 55 * values[k] / top;
      run.push(x.toFixed(1) + "," + y.toFixed(1));
    });
    end();
  });
  svg.replaceChildren(...drawn);
  svg.setAttribute("aria-label", words + ", the last " + all.length + " seconds; now " + points.map(write).join(" and ") + ", at most " + write(top));
  byID("top-" + name).textContent = "top " + write(top);
}

function polyline(points, name) {
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", points.join(" "));
  line.setAttribute("class", name);
  return line;
}

function pools(rows) {
  const body = document.createElement("tbody");
  for (const [d, r] of rows) {
    const list = d.pools.length > 0 ? d.pools : [null];
    list.forEach((p, i) => {
      const row = body.insertRow();
      cell(row, i > 0 ? "" : d.others ? d.others + " others" : d.name);
      cell(row, p === null ? "" : p.others ? p.others + " others" : p.user);
      cell(row, p === null ? "" : p.mode);
      cell(row, i > 0 ? "" : number(r.statements), "n");
      cell(row, i > 0 ? "" : percent(share(r.hits, r.statements)), "n");
      cell(row, i > 0 ? "" : number(r.errors), r.errors > 0 ? "n bad" : "n");
      for (const name of ["clients", "leased", "idle", "size"]) cell(row, p === null ? "" : number(p[name]), "n");
      cell(row, p === null ? "" : number(p.waiting), p !== null && p.waiting > 0 ? "n bad" : "n");
      cell(row, p === null ? "" : time(p.oldestWait), "n");
      cell(row, p === null ? "" : number(p.pinned), "n");
      cell(row, i > 0 ? "" : d.mode);
      cell(row, i > 0 ? "" : number(d.entries) + ", " + size(d.bytes), "n");
    });
  }
  byID("pools").replaceChildren(...body.rows);
}

async function watch() {
  const began = performance.now();
  try {
    tell(await ask("/api/now"));
    say(byID("state"), "live", false);
  } catch (e) {
    say(byID("state"), "no answer: " + e.message, true);
  }
  setTimeout(watch, Math.max(100, period - (performance.now() - began)));
}

// --- statements ---

let queries = { total: 0, queries: [] };
let order = "calls", ascending = false, shown = rowsAtOnce;
let asked = 0, lookedWith = ""; // questions so far; the filter that the server applied

const values = {
  calls: (q) => q.calls, saved: (q) => q.saved, miss: (q) => q.meanMiss, ratio: (q) => q.hits / Math.max(q.calls, 1),
  status: (q) => q.status, shape: (q) => q.shape,
};
const textual = (name) => name === "status" || name === "shape";

// visible are the statements that match the filter, in order.
function visible() {
  const filter = byID("filter").value.trim(), of = values[order];
  const has = (q) => (q.shape + "\n" + q.status + "\n" + q.reason).toLowerCase().includes(filter.toLowerCase());
  const list = filter === lookedWith ? [...queries.queries] : queries.queries.filter(has); // the server sees what is cut off here
  const sign = ascending ? 1 : -1;
  return list.sort((a, b) => {
    const x = of(a), y = of(b);
    return x < y ? -sign : x > y ? sign : a.fingerprint < b.fingerprint ? -1 : 1;
  });
}

function draw() {
  const list = visible(), many = byID("database").value === "" && byID("database").options.length > 2;
  const body = byID("queries"), focused = body.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const rows = document.createElement("tbody");
  let again = null;
  for (const q of list.slice(0, shown)) {
    const row = rows.insertRow();
    cell(row, number(q.calls), "n");
    cell(row, time(q.saved), "n");
    cell(row, percent(share(q.hits, q.calls)), "n");
    cell(row, q.meanMiss > 0 ? time(q.meanMiss) : "–", "n");
    cell(row, q.status);
    cell(row, q.reason, "why");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = (many ? q.database + ": " : "") + q.shape + (q.cut ? " …" : "");
    button.dataset.key = q.database + "\n" + q.fingerprint;
    button.addEventListener("click", () => details(q));
    if (button.dataset.key === focused) again = button;
    cell(row, "", "sql").append(button);
  }
  body.replaceChildren(...rows.rows);
  if (again) again.focus();
  for (const th of document.querySelectorAll("th[data-order]")) {
    if (th.dataset.order === order) th.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    else th.removeAttribute("aria-sort");
  }
  const left = queries.total - queries.queries.length;
  say(byID("count"), number(Math.min(shown, list.length)) + " of " + number(list.length) + " shown" +
    (left > 0 ? "; " + number(left) + " more at the server: filter to find them" : ""), false);
  byID("more").hidden = list.length <= shown;
}

async function look() {
  const mine = ++asked;
  const filter = byID("filter").value.trim();
  const q = new URLSearchParams({ database: byID("database").value, order: order, ascending: ascending, filter: filter });
  try {
    const answer = await ask("/api/queries?" + q);
    if (mine !== asked) return; // something else has been asked meanwhile
    lookedWith = filter;
    queries = answer;
    if (!dialog.open) draw(); // else the focus would have nowhere to go back to
  } catch (e) {
    if (mine === asked) say(byID("count"), "no answer: " + e.message, true);
  }
}

async function keepLooking() {
  if (!document.hidden) await look();
  setTimeout(keepLooking, queryPeriod);
}

// --- acts ---

const dialog = byID("details");
let open = null; // the statement in the dialog

async function details(q) {
  open = q;
  byID("details-text").value = q.shape;
  byID("details-items").replaceChildren();
  byID("details-state").textContent = "";
  dialog.showModal();
  byID("details-text").focus();
  if (q.cut) {
    try {
      const full = await ask("/api/queries?" + new URLSearchParams({ database: q.database, fingerprint: q.fingerprint }));
      if (open !== q) return;
      byID("details-text").value = full.shape;
    } catch (e) {
      return say(byID("details-state"), e.message, true);
    }
  }
  await explain();
}

async function explain() {
  const q = open, where = byID("details-state");
  say(where, "asking …", false);
  try {
    const answer = await ask("/api/explain", { database: q.database, statement: byID("details-text").value });
    if (open !== q) return;
    const list = [];
    for (const item of answer.items) {
      const dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = item.item;
      dd.textContent = item.value;
      list.push(dt, dd);
    }
    byID("details-items").replaceChildren(...list);
    say(where, "", false);
  } catch (e) {
    if (open === q) say(where, e.message, true);
  }
}

async function purge(where, database, kind, name) {
  say(where, "purging …", false);
  try {
    const answer = await ask("/api/purge", { database: database, kind: kind, name: name });
    say(where, database + ": purged " + (answer.purged || []).join(", "), false);
    look();
  } catch (e) {
    const hint = acts === "nothing" && !user ? " (Log in, above, as an administrator.)" : "";
    say(where, "not purged: " + e.message + hint, true);
  }
}

for (const th of document.querySelectorAll("th[data-order]")) {
  th.firstElementChild.addEventListener("click", () => {
    const name = th.dataset.order;
    ascending = name === order ? !ascending : textual(name);
    order = name;
    draw();
    if (queries.total > queries.queries.length) look(); // others may be the foremost now
  });
}
let typing = 0;
byID("filter").addEventListener("input", () => {
  shown = rowsAtOnce;
  draw();
  clearTimeout(typing);
  typing = setTimeout(look, 300);
});
byID("database").addEventListener("change", () => {
  for (const name in series) delete series[name];
  if (byID("database").value) byID("purge-database").value = byID("database").value;
  shown = rowsAtOnce;
  look();
});
byID("more").addEventListener("click", () => { shown += rowsAtOnce; draw(); });
byID("details-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => { open = null; draw(); });
byID("details-explain").addEventListener("click", explain);
byID("details-purge").addEventListener("click", () => purge(byID("details-state"), open.database, "query", open.fingerprint));
byID("purge").addEventListener("submit", (event) => {
  event.preventDefault();
  purge(byID("purged"), byID("purge-database").value, byID("purge-kind").value, byID("purge-name").value);
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });

watch();
keepLooking();
