// What the page does beyond what the server rendered: local times, live events, an event in a side sheet, a delivery that
// is waited for, copying.
// Every HTML that it puts into the page was rendered, and escaped, by the server's templates.
"use strict";

const LISTED = 60; // events kept in the list

// ---- times -------------------------------------------------------------------------------------------------------

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    time.textContent = ("full" in time.dataset ? full : clock).format(at);
    time.title = full.format(at);
  }
}

// ---- copying -----------------------------------------------------------------------------------------------------

async function copy(button) {
  const text = document.getElementById(button.dataset.copy).textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no permission, or no https
    const area = document.createElement("textarea");
    area.value = text;
    button.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

// ---- one event ---------------------------------------------------------------------------------------------------

async function showEvent(link) {
  const sheet = document.getElementById("sheet");
  const answer = await fetch(link.href, { headers: { "Carillon-Fragment": "1" } });
  if (!answer.ok) {
    location.assign(link.href);
    return;
  }
  const body = document.getElementById("sheet-body");
  body.innerHTML = await answer.text();
  localTimes(body);
  if (sheet.open) {
    body.querySelector(".tongue[aria-current]")?.focus(); // where the reader was
  } else {
    sheet.scrollTop = 0;
    sheet.showModal();
  }
}

document.addEventListener("click", (click) => {
  const button = click.target.closest(".copy");
  if (button) return void copy(button);
  const link = click.target.closest("a.event, #sheet a.tongue");
  if (link && !click.ctrlKey && !click.metaKey && !click.shiftKey) {
    click.preventDefault();
    showEvent(link).catch(() => location.assign(link.href));
  }
});

// The arrow keys go from one dialect to the next, as the tab key does.
document.addEventListener("keydown", (key) => {
  const step = { ArrowLeft: "previousElementSibling", ArrowRight: "nextElementSibling" }[key.key];
  const tongue = key.target.closest(".tongue");
  if (!step || !tongue) return;
  key.preventDefault();
  tongue[step]?.focus();
});

document.getElementById("sheet")?.addEventListener("click", (click) => {
  if (click.target.id === "sheet") click.target.close(); // beside the sheet
});

// ---- live --------------------------------------------------------------------------------------------------------

function follow(overview) {
  const feed = document.getElementById("feed");
  const figures = document.getElementById("figures");
  const live = document.getElementById("live");
  const liveText = document.getElementById("live-text");
  const pause = document.getElementById("pause");
  const announce = document.getElementById("announce");
  let after = overview.dataset.after;
  let source = null;
  let unheard = 0; // events since the last announcement
  let retry = 0;

  function state(name, text) {
    live.dataset.state = name;
    liveText.textContent = text;
  }

  function start() {
    source = new EventSource("/console/live?after=" + after);
    source.addEventListener("open", () => state("on", "live"));
    source.addEventListener("rows", (message) => {
      after = message.lastEventId;
      addRows(message.data);
    });
    source.addEventListener("overview", (message) => {
      figures.innerHTML = message.data;
    });
    source.addEventListener("error", () => {
      state("lost", "connection lost, trying again");
      if (source.readyState === EventSource.CLOSED) { // refused: signed out, or too many
        retry = setTimeout(start, 5000);
      }
    });
    pause.textContent = "Pause";
  }

  function stop() {
    source.close();
    clearTimeout(retry);
    source = null;
    state("off", "paused");
    pause.textContent = "Go on";
  }

  function addRows(html) {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    localTimes(fresh.content);
    const rows = [...fresh.content.children];
    rows.forEach((row) => row.classList.add("fresh"));
    document.getElementById("welcome")?.remove();
    const keep = window.scrollY > 0 && feed.getBoundingClientRect().top < 0 ? feed.scrollHeight : 0;
    feed.prepend(fresh.content);
    if (keep) window.scrollBy(0, feed.scrollHeight - keep); // what is being read stays where it is
    while (feed.children.length > LISTED) feed.lastElementChild.remove();
    unheard += rows.length;
  }

  // A reader of the screen hears now and then, not every row.
  setInterval(() => {
    if (!unheard) return;
    const latest = feed.querySelector(".type")?.textContent ?? "";
    announce.textContent = unheard + (unheard === 1 ? " new event: " : " new events, the latest ") + latest;
    unheard = 0;
  }, 5000);

  pause.hidden = false;
  pause.addEventListener("click", () => (source ? stop() : start()));
  start();
}

// ---- a delivery that waits -----------------------------------------------------------------------------------------

// settle shows what became of a delivery, once something has.
async function settle(place) {
  for (let pause = 300; place.querySelector('[data-state="received"]'); pause = Math.min(pause * 1.5, 10000)) {
    await new Promise((done) => setTimeout(done, pause));
    const answer = await fetch(location.href, { headers: { "Carillon-Fragment": "1" } });
    if (!answer.ok) return;
    const fresh = document.createElement("template");
    fresh.innerHTML = await answer.text();
    const state = fresh.content.querySelector("[data-state]").dataset.state;
    if (state === "received") continue;
    place.replaceChildren(fresh.content);
    localTimes(place);
    document.getElementById("announce").textContent = "The delivery is " + state + ".";
  }
}

localTimes(document);
const delivery = document.getElementById("delivery");
if (delivery) settle(delivery).catch(() => {}); // out of reach: the page stays as it is
const overview = document.getElementById("overview");
if (overview) follow(overview);
