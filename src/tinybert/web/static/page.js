// The page: fields for what the model reads, and its answer as soon as somebody stops typing.
const PAUSE = 120; // milliseconds without a key
const [RUNS, LONG] = [5, 100]; // of an answer, whose median is shown; milliseconds from which one is enough
const SHOWN = 8; // classes; the rest is behind a line
const COLOURS = "abcdef";
const RUNTIME = "runtime/ort.wasm.min.mjs";

const element = (id) => document.getElementById(id);

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function notify(...parts) {
  element("notice").hidden = !parts.length;
  element("notice").replaceChildren(...parts);
}

async function start() {
  notify("Loading the model …");
  if (!(await fetch(RUNTIME, { method: "HEAD" })).ok) {
    const command = make("code", {}, "npm install");
    return notify("The runtime is not here yet. Run ", command, " once in this folder and reload the page; it stays there, and from then on nothing is fetched from elsewhere.");
  }
  const { Model } = await import("./model.js");
  const model = await Model.open("model");
  const pair = model.kind === "QuestionAnswering" ? { question: "Question", context: "Context" } : { text_a: "First text", text_b: "Second text" };
  const names = model.paired ? pair : { text: "Text" };
  await model.ask(Object.fromEntries(Object.keys(names).map((name) => [name, "warm"]))); // the first takes longer
  const fields = Object.entries(names).map(([name, label]) => [name, field(name, label)]);
  element("ask").hidden = false;
  notify();
  const follow = follower(model, fields);
  fields.forEach(([, area]) => area.addEventListener("input", follow));
  follow();
}

function field(name, label) {
  const area = make("textarea", { id: name, name, rows: name === "context" ? 8 : 3, spellcheck: false });
  element("fields").append(make("label", { htmlFor: name }, label), area);
  return area;
}

/** What is called at each key: answers what stands in the fields when a pause has passed, one at a time. */
function follower(model, fields) {
  let [timer, busy, again] = [0, false, false];
  async function answer() {
    const row = Object.fromEntries(fields.map(([name, area]) => [name, area.value]));
    if (!Object.values(row).every((text) => text.trim())) return clear(fields.length);
    try {
      const times = [];
      for (let run = 0; run < RUNS && (run === 0 || times[0] < LONG); run += 1) {
        const answer = await model.ask(row);
        if (run === 0) show(answer, row, model.labels);
        times.push(answer.ms);
        showTimes({ ...answer, ms: times.toSorted((one, other) => one - other)[Math.floor(run / 2)] });
      }
    } catch (error) {
      verdict(error.message);
    }
  }
  async function next() {
    if (busy) return void (again = true);
    busy = true;
    do {
      again = false;
      await answer();
    } while (again);
    busy = false;
  }
  return () => {
    clearTimeout(timer);
    timer = setTimeout(next, PAUSE);
  };
}

function verdict(words, ...details) {
  element("verdict").textContent = words;
  element("details").replaceChildren(...details);
}

function clear(fields) {
  verdict(fields > 1 ? "Fill in both" : "Type something");
  element("times").replaceChildren();
}

function show(answer, row, labels) {
  if ("tags" in answer) showTags(answer, row.text, labels);
  else if ("answer" in answer) showSpan(answer, row.context);
  else if ("labels" in answer) verdict(answer.labels.join(", ") || "None of them", scores(answer));
  else if ("label" in answer) verdict(answer.label, scores(answer));
  else verdict(answer.score.toFixed(3));
}

function scores({ scores, thresholds, labels, label }) {
  const ranked = Object.entries(scores).sort(([, one], [, other]) => other - one);
  const given = labels ?? [label];
  const bars = ranked.map(([name, share]) => bar(name, percent(share), share, given.includes(name) ? "student" : "teacher", thresholds[name]));
  const list = (some) => make("dl", { className: "bars" }, ...some);
  const rest = make("details", {}, make("summary", {}, `${bars.length - SHOWN} more`), list(bars.slice(SHOWN)));
  const parts = [list(bars.slice(0, SHOWN))];
  if (bars.length > SHOWN) parts.push(rest);
  if (Object.keys(thresholds).length) parts.push(make("p", { className: "quiet" }, "A label is said where its bar reaches the line."));
  return make("div", {}, ...parts);
}

function bar(name, text, share, system, limit) {
  const [fill, line] = [make("i"), make("u")];
  fill.style.width = `${100 * Math.min(1, share)}%`;
  line.style.left = `${100 * limit}%`;
  const track = make("div", { className: "track", ariaHidden: "true" }, fill, ...(limit === undefined ? [] : [line]));
  return make("div", { className: `bar ${system}` }, make("dt", {}, name), make("dd", {}, text), track);
}

function showTags({ tags, offsets }, text, labels) {
  const spans = [];
  const parts = (tag) => tag.match(/^(?:([BIESLU])-)?(.*)$/s).slice(1);
  tags.forEach((tag, n) => {
    const [place, kind] = parts(tag);
    const last = spans.at(-1);
    if (tag === "O") return;
    if (last?.word === n - 1 && last.kind === kind && "IEL".includes(place ?? "-")) Object.assign(last, { word: n, end: offsets[n][1] });
    else spans.push({ word: n, kind, start: offsets[n][0], end: offsets[n][1] });
  });
  const kinds = [...new Set(labels.filter((tag) => tag !== "O").map((tag) => parts(tag)[1]))];
  const colour = (kind) => `entity ${COLOURS[kinds.indexOf(kind) % COLOURS.length]}`;
  const marked = spans.map(({ kind, ...place }) => ({ ...place, className: colour(kind), label: kind }));
  const counts = kinds.map((kind) => [spans.filter((span) => span.kind === kind).length, kind]).filter(([count]) => count);
  verdict(counts.map((count) => count.join(" ")).join(", ") || "Nothing found", passage(text, marked));
}

function showSpan({ answer, offsets, n_best: others }, context) {
  const marked = offsets ? [{ start: offsets[0], end: offsets[1], className: "entity a" }] : [];
  const bars = others.map((one) => bar(one.answer || "no answer", percent(one.score), one.score, one.answer === answer ? "student" : "teacher"));
  const shown = passage(context, marked);
  verdict(answer || "No answer in this context", shown, make("dl", { className: "bars" }, ...bars));
  shown.scrollTop = (shown.querySelector("mark")?.offsetTop ?? 0) - shown.clientHeight / 2;
}

/** A text with some of its characters marked. */
function passage(text, marked) {
  const [letters, made] = [[...text], make("p", { className: "passage", tabIndex: 0 })];
  let end = 0;
  for (const one of marked) {
    const label = one.label ? ["\u00a0", make("small", {}, one.label)] : [];
    const words = letters.slice(one.start, one.end).join("");
    made.append(letters.slice(end, one.start).join(""), make("mark", { className: one.className }, words, ...label));
    end = one.end;
  }
  made.append(letters.slice(end).join(""));
  return made;
}

/** Beside the teacher's time for the shortest text that was measured and is no shorter, if there is one. */
function showTimes({ ms, pieces }) {
  const measured = Object.entries(JSON.parse(element("times").dataset.teacher)).map(([length, time]) => [Number(length), time]);
  const [length, time] = measured.find(([length]) => length >= pieces) ?? [];
  const most = Math.max(ms, time ?? 0);
  const bars = [bar(`Here, ${pieces} pieces`, milliseconds(ms), ms / most, "student_int8")];
  if (time) bars.push(bar(`Teacher in its run, ${length} pieces`, milliseconds(time), time / most, "teacher"));
  element("times").replaceChildren(...bars);
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const milliseconds = (time) => `${time < 99.5 ? time.toPrecision(time < 1 ? 2 : 3) : Math.round(time)} ms`;

start().catch((error) => notify(`The model could not be loaded: ${error.message}`));
