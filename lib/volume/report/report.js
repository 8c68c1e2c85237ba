"use strict";

/* ---- the table sorts ---- */

const numberOf = (text) => (text === "" ? NaN : text === "inf" ? Infinity : text === "-inf" ? -Infinity : Number(text));

/* what is not defined stays last whichever way */
function compare(a, b, down) {
	const p = numberOf(a), q = numberOf(b);
	if (Number.isNaN(p) || Number.isNaN(q)) {
		const undefinedA = a === "" || a === "nan", undefinedB = b === "" || b === "nan";
		if (undefinedA || undefinedB)
			return undefinedA - undefinedB;
		return a.localeCompare(b, undefined, { numeric: true }) * (down ? -1 : 1);
	}
	return (p < q ? -1 : p > q ? 1 : 0) * (down ? -1 : 1);
}

for (const button of document.querySelectorAll("th button"))
	button.addEventListener("click", () => {
		const th = button.parentElement, at = th.cellIndex, body = th.closest("table").tBodies[0];
		const down = th.getAttribute("aria-sort") === "ascending";
		const value = (row) => row.cells[at].dataset.v ?? row.cells[at].textContent;
		for (const other of th.parentElement.cells)
			other.removeAttribute("aria-sort");
		th.setAttribute("aria-sort", down ? "descending" : "ascending");
		body.append(...[...body.rows].sort((r, s) => compare(value(r), value(s), down)));
	});

/* ---- slices ---- */

const TRUTH = "#00c8ff", PRED = "#ff7800", BOTH = "#ffff00";
const WINDOWS = { "wide": [-1000, 400], "lung": [-1350, 150], "mediastinum": [-125, 225], "bone": [-500, 1300], "abdomen": [-150, 250], "liver": [-45, 105], "brain": [0, 80], "lung-tumour": [-1024, 325] };

async function unpack(base64, n, w, h) {
	const text = atob(base64), packed = new Uint8Array(text.length);
	for (let i = 0; i < text.length; i++)
		packed[i] = text.charCodeAt(i);
	const bytes = new Uint8Array(await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer());
	for (let k = 0; k < n; k++) {
		const b = bytes.subarray(k * w * h, (k + 1) * w * h);
		for (let i = 1; i < b.length; i++) {
			const side = i % w > 0, above = i >= w;
			const left = side ? b[i - 1] : b[i - w], up = above ? b[i - w] : left, corner = side && above ? b[i - w - 1] : up;
			const lo = Math.min(left, up), hi = Math.max(left, up);
			b[i] += corner >= hi ? lo : corner <= lo ? hi : left + up - corner;
		}
	}
	return bytes;
}

function element(name, attributes, ...inside) {
	const e = document.createElement(name);
	for (const [k, v] of Object.entries(attributes))
		e.setAttribute(k, v);
	e.append(...inside);
	return e;
}

class Viewer {
	constructor(figure, data) {
		const d = data.dataset;
		Object.assign(this, { figure, w: +d.w, h: +d.h, n: +d.n, k: +d.start, axis: d.axis, sides: d.sides, hu: d.hu === "1", on: {} });
		this.mm = d.mm.split(",").map(Number);
		this.layers = d.layers.split(",").map(Number);
		this.lines = d.lines.split(";").filter(Boolean).map((line) => {
			const [which, layer, mm, ends] = line.split(":");
			return { name: +which ? "prediction" : "truth", colour: +which ? PRED : TRUTH, layer: +layer, mm, ends: ends.split(",").map(Number) };
		});
		this.masks = { truth: d.masks[0] === "1", prediction: d.masks[1] === "1" };
		[this.lo, this.hi] = this.hu ? d.window.split(",").map(Number) : [0, 1];
		this.name = figure.closest("article").querySelector("h3").textContent;
		this.small = element("canvas", { width: this.w, height: this.h });
	}

	async open(base64) {
		this.bytes = await unpack(base64, this.n, this.w, this.h);
		this.build();
		this.figure.append(this.box);
		this.figure.classList.add("live");
		new ResizeObserver(() => this.draw()).observe(this.canvas);
		this.draw();
	}

	/* ---- what one can do ---- */

	check(name, label, colour, on) {
		const input = element("input", { type: "checkbox" });
		input.checked = this.on[name] = on;
		input.addEventListener("change", () => { this.on[name] = input.checked; this.draw(); });
		this.inputs[name] = input;
		return element("label", {}, input, ...(colour ? [element("span", { class: "key", style: `background:${colour}` })] : []), label);
	}

	build() {
		this.inputs = {};
		this.canvas = element("canvas", { tabindex: 0, role: "img" });
		this.range = element("input", { type: "range", min: 0, max: this.n - 1, value: this.k });
		this.range.addEventListener("input", () => this.go(+this.range.value));
		this.output = element("output", {});
		this.select = element("select", {}, ...Object.keys(WINDOWS).map((w) => element("option", {}, w)), element("option", { hidden: "" }, "own"));
		const names = Object.keys(WINDOWS), named = names.findIndex((w) => String(WINDOWS[w]) === String([this.lo, this.hi]));
		this.select.selectedIndex = named < 0 ? names.length : named;
		this.select.addEventListener("change", () => { [this.lo, this.hi] = WINDOWS[this.select.value]; this.draw(); });
		const controls = element("div", { class: "controls" }, element("label", { class: "slice" }, "Slice", this.range, this.output));
		if (this.hu)
			controls.append(element("label", {}, "Window", this.select));
		for (const [mask, colour] of [["truth", TRUTH], ["prediction", PRED]])
			if (this.masks[mask])
				controls.append(this.check(mask, mask, colour, true));
		if (this.lines.length)
			controls.append(this.check("RECIST", "RECIST", "", true));
		controls.append(this.check("fill", "fill", "", false), element("p", { class: "hint" },
			"On the picture: arrow keys or, once it is clicked, the wheel: slices; dragging: window; T, P, R, F: marks; W: next window; Home: the first slice shown."));
		this.box = element("div", { class: "viewer", role: "group", "aria-label": `Slices of ${this.name}` }, this.canvas, controls);
		this.start = this.k;
		this.listen();
	}

	listen() {
		const c = this.canvas;
		c.addEventListener("wheel", (e) => {
			if (document.activeElement !== c)
				return;
			e.preventDefault();
			this.go(this.k - Math.sign(e.deltaY));
		}, { passive: false });
		c.addEventListener("keydown", (e) => {
			const act = { ArrowUp: 1, ArrowRight: 1, PageUp: 5, ArrowDown: -1, ArrowLeft: -1, PageDown: -5 }[e.key];
			const box = this.inputs[{ t: "truth", p: "prediction", f: "fill", r: "RECIST" }[e.key.toLowerCase()]];
			if (e.ctrlKey || e.altKey || e.metaKey)
				return;
			if (act)
				this.go(this.k + act);
			else if (e.key === "Home")
				this.go(this.start);
			else if (box)
				box.click();
			else if (e.key.toLowerCase() === "w" && this.hu)
				this.window(Object.keys(WINDOWS)[(this.select.selectedIndex + 1) % Object.keys(WINDOWS).length]);
			else
				return;
			e.preventDefault();
		});
		c.addEventListener("pointerdown", (e) => { this.drag = [e.clientX, e.clientY, this.lo, this.hi]; c.setPointerCapture(e.pointerId); });
		c.addEventListener("pointerup", () => { this.drag = null; });
		c.addEventListener("pointermove", (e) => this.drag && this.stretch(e.clientX - this.drag[0], e.clientY - this.drag[1]));
	}

	/* to the right: wider; up: brighter */
	stretch(dx, dy) {
		const [, , lo, hi] = this.drag, unit = (hi - lo) / 300, level = (lo + hi) / 2 + dy * unit, wide = Math.max((hi - lo) * Math.exp(dx / 300), this.hu ? 10 : 0.01);
		if (Math.abs(dx) + Math.abs(dy) < 3)
			return;
		[this.lo, this.hi] = [level - wide / 2, level + wide / 2];
		this.select.selectedIndex = Object.keys(WINDOWS).length;
		this.draw();
	}

	window(name) {
		this.select.value = name;
		[this.lo, this.hi] = WINDOWS[name];
		this.draw();
	}

	go(k) {
		this.k = Math.min(Math.max(k, 0), this.n - 1);
		this.range.value = this.k;
		this.draw();
	}

	/* ---- what one sees ---- */

	layer(part) {
		const size = this.w * this.h, at = (part * this.n + this.k) * size;
		return this.bytes.subarray(at, at + size);
	}

	grey() {
		const g = this.small.getContext("2d"), image = g.createImageData(this.w, this.h), table = new Uint8ClampedArray(256), b = this.layer(0);
		for (let i = 0; i < 256; i++)
			table[i] = 255 * ((this.hu ? levels[i] : i / 255) - this.lo) / (this.hi - this.lo);
		for (let i = 0; i < b.length; i++) {
			image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = table[b[i]];
			image.data[4 * i + 3] = 255;
		}
		g.putImageData(image, 0, 0);
	}

	/* the sides of pixels that lie between one value of a mask and another: keys of edges, and the values on either side */
	edges(mask) {
		const found = new Map(), { w, h } = this, add = (key, v) => found.set(key, (found.get(key) ?? 0) * 256 + v);
		for (let y = 0; y < h; y++)
			for (let x = 0; x < w; x++) {
				const v = mask[y * w + x];
				if (v && (!x || mask[y * w + x - 1] !== v)) add(2 * (y * (w + 1) + x), v);
				if (v && (x === w - 1 || mask[y * w + x + 1] !== v)) add(2 * (y * (w + 1) + x + 1), v);
				if (v && (!y || mask[(y - 1) * w + x] !== v)) add(2 * (y * (w + 1) + x) + 1, v);
				if (v && (y === h - 1 || mask[(y + 1) * w + x] !== v)) add(2 * ((y + 1) * (w + 1) + x) + 1, v);
			}
		return found;
	}

	stroke(g, keys, colour, sx, sy) {
		g.beginPath();
		for (const key of keys) {
			const i = key >> 1, x = i % (this.w + 1), y = Math.floor(i / (this.w + 1));
			g.moveTo(x * sx, y * sy);
			g.lineTo((x + (key & 1)) * sx, (y + 1 - (key & 1)) * sy);
		}
		g.strokeStyle = colour;
		g.stroke();
	}

	marks(g, sx, sy) {
		const none = new Uint8Array(this.w * this.h), t = this.on.truth ? this.layer(1) : none, p = this.on.prediction ? this.layer(2) : none;
		if (this.on.fill) {
			g.globalAlpha = 0.35;
			for (let i = 0; i < none.length; i++)
				if (t[i] || p[i]) {
					const other = t[i] && p[i] && t[i] !== p[i], odd = (i % this.w + Math.floor(i / this.w)) % 2; // other labels: a chequered fill
					g.fillStyle = t[i] && p[i] && !other ? BOTH : t[i] && !(other && odd) ? TRUTH : PRED;
					g.fillRect((i % this.w) * sx, Math.floor(i / this.w) * sy, sx, sy);
				}
			g.globalAlpha = 1;
		}
		const a = this.edges(t), b = this.edges(p);
		this.stroke(g, a.keys(), TRUTH, sx, sy);
		this.stroke(g, [...b.keys()].filter((k) => !a.has(k)), PRED, sx, sy);
		this.stroke(g, [...a.keys()].filter((k) => a.get(k) === b.get(k)), BOTH, sx, sy);
		g.setLineDash([sx / 2, sx / 2]);
		this.stroke(g, [...a.keys()].filter((k) => b.has(k) && a.get(k) !== b.get(k)), PRED, sx, sy);
		g.setLineDash([]);
	}

	/* the longest diameters that lie in this slice: a line with a bar at either end and its length */
	diameters(g, sx, sy, unit) {
		for (const { name, colour, layer, mm, ends } of this.lines) {
			if (!this.on.RECIST || !this.on[name] || layer !== this.layers[this.k])
				continue;
			const [x0, y0, x1, y1] = ends.map((v, i) => v * (i & 1 ? sy : sx)), long = Math.hypot(x1 - x0, y1 - y0) || 1;
			const [dx, dy] = [(x1 - x0) / long * 5 * unit, (y1 - y0) / long * 5 * unit], right = (x1 > x0) === (name === "truth");
			g.beginPath();
			for (const [a, b, c, d] of [[x0, y0, x1, y1], [x0 - dy, y0 + dx, x0 + dy, y0 - dx], [x1 - dy, y1 + dx, x1 + dy, y1 - dx]]) {
				g.moveTo(a, b);
				g.lineTo(c, d);
			}
			for (const [ink, thick] of [["#000", 4], [colour, 2]]) {
				Object.assign(g, { strokeStyle: ink, lineWidth: thick * unit });
				g.stroke();
			}
			Object.assign(g, { font: `${13 * unit}px system-ui, sans-serif`, fillStyle: colour, strokeStyle: "#000", lineWidth: 3 * unit, lineJoin: "round",
				textAlign: name === "truth" ? "left" : "right" });
			const room = g.measureText(`${mm} mm`).width + 20 * unit, at = (right ? x1 : x0) + (name === "truth" ? 8 : -8) * unit;
			const x = name === "truth" ? Math.min(at, g.canvas.width - room) : Math.max(at, room), y = (right ? y1 : y0) + 4 * unit;
			g.strokeText(`${mm} mm`, x, y);
			g.fillText(`${mm} mm`, x, y);
		}
	}

	words(g, wide, high, unit) {
		const size = 13 * unit, [left, right, top, bottom] = this.sides, across = this.w * this.mm[0];
		const bar = [200, 100, 50, 20, 10, 5, 2, 1].find((mm) => mm <= across / 4) ?? 1, long = bar / across * wide, y = high - 8 * unit, x = 10 * unit;
		const put = (text, px, py, align) => { g.textAlign = align; g.strokeText(text, px, py); g.fillText(text, px, py); };
		Object.assign(g, { font: `${size}px system-ui, sans-serif`, fillStyle: "#fff", strokeStyle: "#000", lineWidth: 3 * unit, lineJoin: "round" });
		put(left, 6 * unit, high / 2, "left");
		put(right, wide - 6 * unit, high / 2, "right");
		put(top, wide / 2, size + 2 * unit, "center");
		put(bottom, wide / 2, high - 6 * unit, "center");
		put(`${this.axis} ${this.layers[this.k]}`, 6 * unit, size + 2 * unit, "left");
		if (this.hu)
			put(`W ${Math.round(this.hi - this.lo)} L ${Math.round((this.lo + this.hi) / 2)}`, wide - 6 * unit, size + 2 * unit, "right");
		put(`${bar} mm`, x, y - 7 * unit, "left");
		for (const [colour, thick] of [["#000", 4], ["#fff", 2]]) {
			Object.assign(g, { strokeStyle: colour, lineWidth: thick * unit });
			g.beginPath();
			g.moveTo(x, y - 3 * unit); g.lineTo(x, y + 3 * unit); g.moveTo(x, y); g.lineTo(x + long, y); g.moveTo(x + long, y - 3 * unit); g.lineTo(x + long, y + 3 * unit);
			g.stroke();
		}
	}

	draw() {
		const c = this.canvas, unit = window.devicePixelRatio || 1, wide = Math.round(c.clientWidth * unit);
		const high = Math.round(wide * this.h * this.mm[1] / (this.w * this.mm[0])), g = c.getContext("2d");
		const text = `Slice ${this.k + 1} of ${this.n}, ${this.axis} ${this.layers[this.k]}`;
		if (!wide)
			return;
		if (c.width !== wide || c.height !== high)
			[c.width, c.height] = [wide, high];
		this.grey();
		g.imageSmoothingQuality = "high";
		g.drawImage(this.small, 0, 0, wide, high);
		g.lineWidth = 1.5 * unit;
		this.marks(g, wide / this.w, high / this.h);
		this.diameters(g, wide / this.w, high / this.h, unit);
		this.words(g, wide, high, unit);
		this.output.textContent = `${this.k + 1} of ${this.n}`;
		this.range.setAttribute("aria-valuetext", text);
		c.setAttribute("aria-label", `${this.name}. ${text}, window ${Math.round(this.lo)} to ${Math.round(this.hi)}`);
		c.dataset.drawn = "1";
	}
}

/* A viewer opens when it comes near; where a browser cannot unpack, the picture stays. */
if (typeof DecompressionStream === "function") {
	const near = new IntersectionObserver((entries) => {
		for (const { isIntersecting, target } of entries)
			if (isIntersecting) {
				const data = target.querySelector(".slices"), base64 = data.textContent;
				near.unobserve(target);
				new Viewer(target, data).open(base64);
				data.textContent = "";
			}
	}, { rootMargin: "600px" });
	for (const data of document.querySelectorAll(".slices"))
		near.observe(data.parentElement);
}
