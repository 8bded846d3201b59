"use strict";
// Tables that sort by a column.
for (const table of document.querySelectorAll("table.sorts")) {
  const body = table.tBodies[0];
  table.querySelectorAll("th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    const key = (row) => {
      const data = row.cells[column].querySelector("data");
      return data ? Number(data.value) : row.cells[column].textContent;
    };
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
      const rows = [...body.rows].sort((a, b) => (down ? -1 : 1) * order(key(a), key(b)));
      body.append(...rows);
    });
  });
}
// The replay.
const replay = document.getElementById("replay");
if (replay) {
  const { step_ms, steps, contacts, online, captures, tracks } = JSON.parse(replay.querySelector("script").textContent);
  const devices = [...replay.querySelectorAll("g.device")];
  const [links, controls] = [replay.querySelector(".links"), replay.querySelector(".controls")];
  const [button, slider, output] = ["button", "input", "output"].map((name) => controls.querySelector(name));
  const places = devices.map((it) => it.getAttribute("transform").match(/[-\d.]+/g).map(Number));
  const parts = (flat, size) => Array.from({ length: flat.length / size }, (_, n) => flat.slice(n * size, n * size + size));
  const [meetings, switches, made] = [parts(contacts, 4), parts(online, 3), parts(captures, 3)];
  const two = (number) => String(number).padStart(2, "0");
  const moment = (ms) => `day ${Math.floor(ms / 864e5) + 1}, ${two(Math.floor(ms / 36e5) % 24)}:${two(Math.floor(ms / 6e4) % 60)}`;
  // Where a device is on its way: [step, x, y, step, x, y, ...].
  const along = (track, step) => {
    let n = 0;
    while (n + 3 < track.length && track[n + 3] <= step) n += 3;
    if (n + 3 >= track.length || step <= track[n]) return [track[n + 1], track[n + 2]];
    const share = (step - track[n]) / (track[n + 3] - track[n] || 1);
    return [track[n + 1] + share * (track[n + 4] - track[n + 1]), track[n + 2] + share * (track[n + 5] - track[n + 2])];
  };
  const show = (step) => {
    tracks.forEach((track, device) => {
      places[device] = along(track, step);
      devices[device].setAttribute("transform", `translate(${places[device].map((it) => it.toFixed(1)).join(" ")})`);
    });
    const [near, up, waiting] = [new Set(), new Set(), new Map()];
    let path = "", there = 0, atHub = 0;
    for (const [a, b, from, count] of meetings) {
      if (from > step) break;
      if (step < from + count) {
        near.add(a).add(b);
        path += `M${places[a][0].toFixed(0)} ${places[a][1].toFixed(0)}L${places[b][0].toFixed(0)} ${places[b][1].toFixed(0)}`;
      }
    }
    for (const [device, at, on] of switches) {
      if (at > step) break;
      if (on) up.add(device); else up.delete(device);
    }
    for (const [device, from, until] of made) {
      if (from > step) continue;
      there += 1;
      if (until >= 0 && until <= step) atHub += 1; else waiting.set(device, (waiting.get(device) || 0) + 1);
    }
    links.setAttribute("d", path);
    devices.forEach((it, device) => {
      it.classList.toggle("near", near.has(device));
      it.classList.toggle("online", up.has(device));
      it.classList.toggle("waiting", waiting.has(device));
    });
    output.textContent = `${moment(step * step_ms)} · ${near.size} in contact · ${up.size} ${up.size === 1 ? "gateway" : "gateways"} connected · ${there} captures made, ${atHub} at the hub, ${there - atHub} waiting`;
  };
  let timer = null;
  const stop = () => { clearInterval(timer); timer = null; button.textContent = "Play"; };
  const forward = () => {
    if (Number(slider.value) >= steps - 1) return stop();
    slider.value = Number(slider.value) + 1;
    show(Number(slider.value));
  };
  button.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(slider.value) >= steps - 1) slider.value = 0;
    button.textContent = "Pause";
    timer = setInterval(forward, 80);
  });
  slider.addEventListener("input", () => show(Number(slider.value)));
  controls.hidden = false;
  replay.classList.add("moving");
  slider.value = Math.floor(steps / 2);
  show(Number(slider.value));
}
