// What tests/seg-report.bats wants of a page in a browser: throws where it is not so. Body of an async function.
const must = (good, what) => { if (!good) throw new Error(what); };
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const until = async (good, what) => { for (let i = 0; i < 200 && !good(); i++) await wait(25); must(good(), what); };

// the table: the worst first, then by a click the best, then by name; what is not defined last
const table = document.querySelector(".sorts").parentElement, heads = all("thead th", table);
const column = (name) => heads.findIndex((th) => th.textContent === name);
const cells = (name) => [...table.tBodies[0].rows].map((row) => row.cells[column(name)]);
const dice = () => cells("Dice").map((c) => c.dataset.v);
const sorted = (v, sign) => v.every((x, i) => !i || x === "nan" || sign * (Number(x) - Number(v[i - 1])) >= 0);
const defined = dice().filter((v) => v !== "nan").length;
const check = (name, state, good) => must(heads[column(name)].getAttribute("aria-sort") === state && good, `sort by ${name}: ${state}: ${dice()}`);
check("Dice", "ascending", sorted(dice(), 1) && dice().slice(defined).every((v) => v === "nan"));
heads[column("Dice")].firstChild.click();
check("Dice", "descending", sorted(dice(), -1) && dice().slice(defined).every((v) => v === "nan"));
heads[column("Case")].firstChild.click();
const names = cells("Case").map((c) => c.textContent);
check("Case", "ascending", names.every((n, i) => !i || names[i - 1].localeCompare(n, undefined, { numeric: true }) <= 0));
must(all("thead th[aria-sort]", table).length === 1, "two columns say that they are sorted");

// links lead to cases
for (const a of all('a[href^="#"]'))
	must(document.getElementById(decodeURIComponent(a.getAttribute("href").slice(1))), `${a.getAttribute("href")} leads nowhere`);

// the first viewer draws, and its picture changes with slice, window and marks
const figure = all("figure").find((f) => f.querySelector(".slices"));
if (figure) {
	figure.scrollIntoView();
	await until(() => figure.querySelector("canvas[data-drawn]"), "the viewer does not open");
	const canvas = figure.querySelector("canvas"), range = figure.querySelector("input[type=range]");
	const pixels = () => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
	const greys = new Set();
	const same = (a, b) => a.every((v, i) => v === b[i]);
	let before = pixels();
	for (let i = 0; i < before.length; i += 4)
		greys.add(before[i]);
	must(greys.size > 20, `the viewer's picture has ${greys.size} greys`);
	const key = (k) => canvas.dispatchEvent(new KeyboardEvent("keydown", { key: k, bubbles: true, cancelable: true }));
	for (const k of ["p", "p", "r", "r", "f", "w", "ArrowUp", "Home"]) {
		key(k);
		must(!same(before, pixels()), `key ${k} changes nothing`);
		before = pixels();
	}
	range.value = range.max;
	range.dispatchEvent(new Event("input"));
	must(figure.querySelector("output").textContent === `${+range.max + 1} of ${+range.max + 1}`, "the slider does not lead to the last slice");
	must(getComputedStyle(figure.querySelector("img")).display === "none", "the picture stands beside its viewer");
}

const ids = all("[id]").map((e) => e.id);
must(new Set(ids).size === ids.length, `an id is there twice: ${ids.filter((id, i) => ids.indexOf(id) !== i)}`);

// who does not see, or has no mouse
must(all("img").every((i) => i.alt && i.naturalWidth > 0), "a picture without words, or a broken one");
must(all("svg").every((s) => s.closest("[role=img]")), "a chart without words");
must(all("input, select").every((i) => i.closest("label")), "a control without a label");
must(all("canvas").every((c) => c.getAttribute("aria-label") && c.tabIndex === 0), "a canvas that says nothing or cannot be reached");
must(all(".scroll").every((s) => s.tabIndex === 0), "a table that the keyboard cannot scroll");
const luminance = (rgb) => rgb.match(/[\d.]+/g).slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
	.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const probe = document.body.appendChild(document.createElement("i"));
const colour = (name) => { probe.style.color = `var(--${name})`; return luminance(getComputedStyle(probe).color); };
for (const ink of ["ink", "soft", "link", "mark", "loss", "dice"])
	for (const ground of ["ground", "panel"]) {
		const [a, b] = [colour(ink), colour(ground)].sort((p, q) => q - p);
		must((a + 0.05) / (b + 0.05) >= 4.5, `${ink} on ${ground}: contrast ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
	}
probe.remove();
must(document.documentElement.scrollWidth <= innerWidth, `the page is ${document.documentElement.scrollWidth} wide in a window of ${innerWidth}`);
return `${cells("Case").length} rows, ${all("figure").length} pictures, ${all("canvas").length > 0} viewer, ground ${getComputedStyle(document.body).backgroundColor}`;
