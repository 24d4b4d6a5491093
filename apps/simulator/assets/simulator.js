// What the simulator's page does beyond what the server rendered: choosing without a new page, line numbers, formatting,
// simulating in place, and following what happens. Every HTML that it puts into the page was rendered, and escaped, by the
// server's templates.
"use strict";

(() => {
  const trial = document.getElementById("trial");
  if (!trial) return;
  const id = (name) => document.getElementById(name);
  const drafts = new Map(); // what was typed, by product and event
  let shown = ""; // the product and event that the page is about
  let offered = ""; // their payload as the server gave it
  let running = false;
  let asked = 0; // counts requests for the page's content, so that a late answer is not taken

  // ---- the payload -----------------------------------------------------------------------------------------------

  const payload = () => id("payload");
  const chosen = () => new URLSearchParams({ product: id("product").value, event: id("event").value }).toString();

  // lineNumbers writes the numbers beside the text, which scroll with it.
  function lineNumbers() {
    const lines = payload().value.split("\n").length;
    const gutter = id("gutter");
    if (gutter.childElementCount !== lines) {
      gutter.replaceChildren(...Array.from({ length: lines }, (_, i) => {
        const n = document.createElement("span");
        n.textContent = i + 1;
        return n;
      }));
    }
    gutter.scrollTop = payload().scrollTop;
  }

  // Browsers word it differently: "… in JSON at position 12 (line 2 column 3)", "… at line 2 column 3 of the JSON data".
  function fault(text) {
    try {
      const value = JSON.parse(text);
      if (value === null || typeof value !== "object" || Array.isArray(value)) return { line: 1, column: 1, reason: "a payload is a JSON object" };
      return null;
    } catch (error) {
      const at = /line (\d+) column (\d+)/.exec(error.message);
      const position = /position (\d+)/.exec(error.message);
      let line = 1, column = 1;
      if (at) {
        [line, column] = [Number(at[1]), Number(at[2])];
      } else {
        const before = text.slice(0, position ? Number(position[1]) : text.length).split("\n");
        [line, column] = [before.length, before.at(-1).length + 1];
      }
      return { line, column, reason: error.message.replace(/^JSON\.parse: /, "").replace(/ (in JSON )?at (position|line) .*$/, "") };
    }
  }

  function check() {
    const wrong = fault(payload().value);
    const note = id("payload-fault");
    note.hidden = !wrong;
    if (wrong) note.textContent = "Line " + wrong.line + ", column " + wrong.column + ": " + wrong.reason;
    payload().toggleAttribute("aria-invalid", Boolean(wrong));
    for (const n of id("gutter").querySelectorAll(".wrong")) n.classList.remove("wrong");
    if (wrong) id("gutter").children[wrong.line - 1]?.classList.add("wrong");
    return wrong;
  }

  // pretty indents JSON without touching its numbers: ids have more digits than a JavaScript number keeps.
  function pretty(text) {
    let out = "", depth = 0;
    const line = () => "\n" + "  ".repeat(depth);
    const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+/g) ?? [];
    tokens.forEach((token, i) => {
      const before = tokens[i - 1], after = tokens[i + 1];
      if (token === "{" || token === "[") {
        depth++;
        out += token + (after === "}" || after === "]" ? "" : line());
      } else if (token === "}" || token === "]") {
        depth--;
        out += (before === "{" || before === "[" ? "" : line()) + token;
      } else if (token === ",") {
        out += token + line();
      } else {
        out += token === ":" ? ": " : token;
      }
    });
    return out;
  }

  function goTo(line, column) {
    const area = payload();
    const lines = area.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    const end = start + (lines[line - 1] ?? "").length;
    area.focus();
    area.setSelectionRange(Math.min(start + Math.max(column - 1, 0), end), end);
    const height = area.scrollHeight / Math.max(lines.length, 1);
    area.scrollTop = Math.max(0, (line - 5) * height);
  }

  // write puts a text into the payload so that the browser's own undo takes it back.
  function write(text) {
    const area = payload();
    area.focus();
    area.select();
    if (!document.execCommand("insertText", false, text)) area.value = text;
    area.setSelectionRange(0, 0);
    area.scrollTop = 0;
    edited();
  }

  let soon = 0;
  function edited() {
    lineNumbers();
    const changed = payload().value !== offered;
    id("reset").hidden = !changed;
    if (changed) drafts.set(shown, payload().value);
    else drafts.delete(shown);
    verdict("");
    clearTimeout(soon);
    soon = setTimeout(check, 300);
  }

  // ---- simulating ------------------------------------------------------------------------------------------------

  // verdict turns the button: "" is as it was at first.
  function verdict(word) {
    const button = id("go");
    if (running) return;
    button.classList.toggle("success", word === "Success");
    button.classList.toggle("failed", word === "Failed");
    button.classList.remove("busy");
    id("go-text").textContent = word || "Simulate";
  }

  async function simulate() {
    if (running) return;
    running = true;
    const button = id("go");
    button.classList.remove("success", "failed");
    button.classList.add("busy");
    button.setAttribute("aria-disabled", "true");
    id("go-text").textContent = "Running";
    let word = "Failed";
    try {
      const answer = await fetch(trial.dataset.test, {
        method: "POST",
        headers: { "Carillon-Fragment": "outcome" },
        body: new URLSearchParams(new FormData(id("simulate"))),
      });
      const html = await answer.text();
      if (answer.ok) {
        id("outcome").innerHTML = html;
        localTimes(id("outcome"));
        word = id("outcome").querySelector("[data-word]").dataset.word;
      } else {
        tell(new DOMParser().parseFromString(html, "text/html").querySelector("main")?.innerText.trim() || "The server answered " + answer.status);
      }
    } catch {
      tell("The server cannot be reached. Is it still running?");
    }
    running = false;
    button.removeAttribute("aria-disabled");
    verdict(word);
    const reason = id("outcome").querySelector(".message, .faults li")?.textContent ?? "";
    id("announce").textContent = word + ". " + reason;
  }

  // tell shows what no handler said.
  function tell(text) {
    const p = document.createElement("p");
    p.className = "error";
    p.textContent = text;
    id("outcome").replaceChildren(p);
  }

  // ---- choosing --------------------------------------------------------------------------------------------------

  // load puts the content for a product and event into the page; what was typed for it before is put back.
  async function load(product, event) {
    const mine = ++asked;
    const url = trial.dataset.test + "?" + new URLSearchParams({ product, event });
    const answer = await fetch(url, { headers: { "Carillon-Fragment": "trial" } });
    const html = await answer.text();
    if (mine !== asked) return;
    if (!answer.ok) {
      location.assign(url);
      return;
    }
    const focused = document.activeElement?.id;
    const outcome = id("outcome")?.innerHTML, word = id("go-text")?.textContent;
    const before = shown;
    const [start, end, top] = payload() ? [payload().selectionStart, payload().selectionEnd, payload().scrollTop] : [0, 0, 0];
    trial.innerHTML = html;
    begin();
    if (payload()) {
      history.replaceState(null, "", trial.dataset.test + "?" + shown);
      if (shown === before && outcome !== undefined) { // the app was installed anew: what the reader looks at stays
        id("outcome").innerHTML = outcome;
        if (word === "Success" || word === "Failed") verdict(word);
        payload().setSelectionRange(start, end);
        payload().scrollTop = top;
        lineNumbers();
      }
    }
    if (focused) id(focused)?.focus({ preventScroll: true });
  }

  // begin prepares content that the server has just rendered.
  function begin() {
    localTimes(trial);
    if (!payload()) return;
    id("show").hidden = true;
    id("format").hidden = false;
    id("shortcut").hidden = false;
    shown = chosen();
    offered = payload().value;
    const draft = drafts.get(shown);
    if (draft !== undefined) payload().value = draft;
    id("reset").hidden = payload().value === offered;
    lineNumbers();
    check();
  }

  trial.addEventListener("change", (change) => {
    if (change.target.id === "product") load(change.target.value, "");
    if (change.target.id === "event") load(id("product").value, change.target.value);
  });
  trial.addEventListener("input", (input) => {
    if (input.target.id === "payload") edited();
  });
  trial.addEventListener("scroll", (scroll) => {
    if (scroll.target.id === "payload") id("gutter").scrollTop = scroll.target.scrollTop;
  }, true);
  trial.addEventListener("submit", (submit) => {
    submit.preventDefault();
    if (submit.target.id === "simulate") simulate();
    else load(id("product").value, id("event").value);
  });
  trial.addEventListener("click", (click) => {
    if (click.target.id === "format") {
      if (!check()) write(pretty(payload().value));
      else goToFault();
    }
    if (click.target.id === "reset") write(offered);
    const line = click.target.closest(".fault-line");
    if (line) {
      click.preventDefault();
      goTo(Number(line.dataset.line), Number(line.dataset.column));
    }
  });
  document.addEventListener("keydown", (key) => {
    if (key.key === "Enter" && (key.ctrlKey || key.metaKey) && payload()) {
      key.preventDefault();
      simulate();
    }
  });

  function goToFault() {
    const wrong = fault(payload().value);
    if (wrong) goTo(wrong.line, wrong.column);
  }

  // ---- following -------------------------------------------------------------------------------------------------

  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
  const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

  function localTimes(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      time.textContent = clock.format(at);
      time.title = full.format(at);
    }
  }

  function showRuns(html) {
    const runs = id("runs");
    if (!runs) return;
    const open = new Set(Array.from(runs.querySelectorAll("details[open]"), (d) => d.closest("[data-run]")?.dataset.run));
    const focused = document.activeElement?.closest?.("[data-run]")?.dataset.run;
    runs.innerHTML = html;
    localTimes(runs);
    for (const row of runs.querySelectorAll("[data-run]")) {
      if (open.has(row.dataset.run)) row.querySelector("details").open = true;
      if (row.dataset.run === focused) row.querySelector("summary").focus({ preventScroll: true });
    }
  }

  let version = trial.dataset.version;
  const source = new EventSource(trial.dataset.live);
  source.addEventListener("runs", (message) => showRuns(message.data));
  source.addEventListener("version", (message) => {
    if (version === message.data) return;
    version = message.data;
    if (!trial.dataset.test) location.reload(); // it waited for the app to be installed
    else load(id("product")?.value ?? "", id("event")?.value ?? "").then(showState, () => {}); // the server comes back, or not
  });

  // showState fetches what the face says of the app's files, where it says anything.
  async function showState() {
    const state = id("state");
    if (!state?.dataset.from) return;
    const answer = await fetch(state.dataset.from, { headers: { "Carillon-Fragment": "state" } });
    if (!answer.ok) return;
    state.innerHTML = await answer.text();
    localTimes(state);
  }

  begin();
})();
