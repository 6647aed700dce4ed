// The scripts of an HTML report. Text goes in as text only (`textContent`, `title`), never as markup.
"use strict";
addEventListener("error", event => document.documentElement.dataset.error = event.message);
const data = JSON.parse(document.getElementById("data").textContent);
const byId = id => document.getElementById(id);
const grouped = n => n.toLocaleString("en-US");
const variable = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const redraws = [];
const redraw = () => redraws.forEach(draw => draw());

// The address space of a process. Each VMA is as wide as the number of digits of its pages, a
// gap is a narrow one, so that small VMAs are seen beside large ones. Where there are more VMAs
// than pixels, seams are counted for each pixel.
{
const canvas = byId("strip"), choice = byId("layout"), info = byId("vma");
let v, n, lefts, rights, pages, view, total, picked = -1;
const names = data.colours.map(c => c.slice(2));

function load(index) {
    v = data.layouts[index].v; n = v.length / 4;
    lefts = new Float64Array(n); rights = new Float64Array(n); pages = new Float64Array(n);
    let at = 0, page = 0;
    for (let i = 0; i < n; i++) {
        if (v[4 * i] > 0 && i > 0) at += 3;
        page += v[4 * i]; pages[i] = page; page += v[4 * i + 1];
        lefts[i] = at; at += 2 + Math.log2(v[4 * i + 1] + 1); rights[i] = at;
    }
    total = at || 1; view = [0, total]; picked = -1; info.textContent = "\u00a0";
    draw();
}
function firstAfter(x) {
    let low = 0, high = n;
    while (low < high) { const middle = (low + high) >> 1; if (rights[middle] > x) high = middle; else low = middle + 1; }
    return low;
}
function fill(i) {
    const label = data.strings[v[4 * i + 2]];
    return label.startsWith("---") ? "none" : label.slice(5).startsWith("/") ? "file" : "anon";
}
function draw() {
    const ratio = devicePixelRatio || 1, w = Math.max(1, canvas.clientWidth * ratio | 0), h = canvas.clientHeight * ratio | 0;
    canvas.width = w; canvas.height = h;
    const g = canvas.getContext("2d"), scale = w / (view[1] - view[0]), half = h * 0.55 | 0;
    const colours = {}, colour = name => colours[name] ??= variable(name);
    const counts = new Map();
    let drawn = -1, most = 1, shown = 0;
    const first = firstAfter(view[0]);
    for (let i = first; i < n && lefts[i] < view[1]; i++) {
        const a = (lefts[i] - view[0]) * scale, b = (rights[i] - view[0]) * scale;
        const from = Math.max(drawn, Math.floor(a)), to = Math.max(from + 1, Math.floor(b));
        if (b >= drawn) {
            g.fillStyle = i === picked ? colour("fg") : colour(fill(i));
            g.fillRect(from, 0, Math.max(1, to - from - (to - from > 4 ? 1 : 0)), half);
            drawn = to;
        }
        shown++;
        const seam = v[4 * i + 3];
        if (!seam) continue;
        const column = Math.min(w - 1, Math.max(0, Math.floor(b)));
        let here = counts.get(column);
        if (!here) counts.set(column, here = new Map([["all", 0]]));
        here.set(names[seam - 1], (here.get(names[seam - 1]) || 0) + 1);
        here.set("all", here.get("all") + 1);
        most = Math.max(most, here.get("all"));
    }
    const wide = w / Math.max(1, shown) >= 6 * ratio, thick = wide ? 3 * ratio : 1;
    for (const [column, here] of counts) {
        const tall = wide ? h : (h - half - 4) * here.get("all") / most;
        let y = h;
        for (const [name, count] of here) {
            if (name === "all") continue;
            const part = tall * count / here.get("all");
            g.fillStyle = colour(name);
            g.fillRect(column - (wide ? thick / 2 : 0), y - part, thick, part);
            y -= part;
        }
    }
}
const hex = page => "0x" + (BigInt(page) * 4096n).toString(16);
function size(count) {
    const units = ["KiB", "MiB", "GiB", "TiB"]; let kib = count * 4, unit = 0;
    while (kib >= 10240 && unit < 3) { kib /= 1024; unit++; }
    return Math.floor(kib) + " " + units[unit];
}
function pick(x) {
    const i = firstAfter(view[0] + x / canvas.clientWidth * (view[1] - view[0]));
    if (i >= n) return;
    picked = i;
    const seam = v[4 * i + 3], count = v[4 * i + 1];
    info.textContent = hex(pages[i]) + "-" + hex(pages[i] + count) + "  " + size(count) + "  "
        + data.strings[v[4 * i + 2]] + (seam ? "  | then, touching it: " + data.strings[seam - 1] : i + 1 < n ? "  | then a gap" : "");
    draw();
}
function zoom(factor, x) {
    const at = view[0] + x * (view[1] - view[0]);
    const span = Math.min(total, Math.max(8, (view[1] - view[0]) * factor));
    pan(at - x * span, span);
}
function pan(from, span) {
    from = Math.max(0, Math.min(total - span, from));
    view = [from, from + span]; draw();
}
const move = share => pan(view[0] + share * (view[1] - view[0]), view[1] - view[0]);
if (data.layouts.length) {
    for (const layout of data.layouts) choice.add(new Option(layout.name));
    choice.onchange = () => load(choice.selectedIndex);
    byId("in").onclick = () => zoom(0.4, 0.5);
    byId("out").onclick = () => zoom(2.5, 0.5);
    byId("back").onclick = () => move(-0.5);
    byId("on").onclick = () => move(0.5);
    byId("all").onclick = () => pan(0, total);
    canvas.addEventListener("wheel", event => {
        event.preventDefault();
        zoom(event.deltaY > 0 ? 1.25 : 0.8, event.offsetX / canvas.clientWidth);
    }, { passive: false });
    canvas.addEventListener("keydown", event => {
        const action = { "+": () => zoom(0.5, 0.5), "-": () => zoom(2, 0.5), ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2) }[event.key];
        if (action) { action(); event.preventDefault(); }
    });
    const held = new Map();
    const spread = () => { const xs = [...held.values()]; return Math.abs(xs[0] - xs[1]) || 1; };
    canvas.addEventListener("pointerdown", event => { held.set(event.pointerId, event.offsetX); canvas.setPointerCapture(event.pointerId); pick(event.offsetX); });
    canvas.addEventListener("pointermove", event => {
        if (!held.has(event.pointerId)) return pick(event.offsetX);
        const before = held.size > 1 ? spread() : 0, last = held.get(event.pointerId);
        held.set(event.pointerId, event.offsetX);
        if (held.size > 1) zoom(before / spread(), event.offsetX / canvas.clientWidth);
        else pan(view[0] - (event.offsetX - last) / canvas.clientWidth * (view[1] - view[0]), view[1] - view[0]);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, event => held.delete(event.pointerId));
    load(0);
    redraws.push(draw);
} else {
    byId("where").textContent = "No layout was kept.";
}
}

// Stacks as an icicle: callers above, what they called below, and at the end what was missed.
{
const box = byId("flame"), info = byId("frame"), rowHeight = 21;
let root, focus;
function build(rows) {
    root = { name: "all", value: 0, depth: 0, children: new Map() };
    for (const [count, what, blockers, ...frames] of rows) {
        let node = root;
        node.value += count;
        const leaf = "[" + data.strings[what] + " " + data.strings[blockers] + "]";
        for (const [name, colour] of [...frames.map(f => [data.strings[f], null]), [leaf, data.colours[blockers]]]) {
            let child = node.children.get(name);
            if (!child) node.children.set(name, child = { name, value: 0, colour, parent: node, depth: node.depth + 1, children: new Map() });
            child.value += count;
            node = child;
        }
    }
    focus = root;
    draw();
}
function draw() {
    box.textContent = "";
    let deepest = 0;
    const all = document.createDocumentFragment();
    function add(node, left, width) {
        const element = document.createElement("div");
        element.style.left = left + "%"; element.style.width = width + "%"; element.style.top = node.depth * rowHeight + "px";
        if (node.colour) element.className = "leaf " + node.colour;
        // A frame has room for a word, or it is a bar: its title still names it.
        if (width * box.clientWidth / 100 >= 24) element.textContent = node.name; else element.classList.add("thin");
        const text = node.name + ": " + grouped(node.value) + " (" + (100 * node.value / (root.value || 1)).toFixed(1) + "%)";
        element.title = text;
        element.onmouseenter = () => info.textContent = text;
        element.onclick = () => { focus = node; info.textContent = text; draw(); };
        all.append(element);
        deepest = Math.max(deepest, node.depth);
    }
    for (let node = focus.parent; node; node = node.parent) add(node, 0, 100);
    const waiting = [[focus, 0, 100]];
    while (waiting.length) {
        const [node, left, width] = waiting.pop();
        add(node, left, width);
        let at = left;
        for (const child of [...node.children.values()].sort((a, b) => b.value - a.value)) {
            const part = width * child.value / node.value;
            if (part >= 0.2) waiting.push([child, at, part]);
            at += part;
        }
    }
    box.append(all);
    box.style.height = (deepest + 1) * rowHeight + "px";
}
const choices = { misses: byId("by-misses"), boundaries: byId("by-boundaries") };
function show(kind) {
    for (const [name, button] of Object.entries(choices)) button.setAttribute("aria-pressed", name === kind);
    info.textContent = "\u00a0";
    build(data[kind]);
}
for (const kind of Object.keys(choices)) choices[kind].onclick = () => show(kind);
byId("whole").onclick = () => { focus = root; draw(); };
redraws.push(draw);
show(data.misses.length ? "misses" : "boundaries");
}

addEventListener("resize", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
document.documentElement.dataset.ready = "yes";
