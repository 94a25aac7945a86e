// The exported model in a browser: `await Model.open("model")`, then `await model.ask({text})` gives what predict.py
// would say of that row, with the milliseconds that it took. Offsets count characters as Python does, not UTF-16 units.
import * as ort from "./runtime/ort.wasm.min.mjs";
import { ByteLevelPreTokenizer, Tokenizer } from "./runtime/tokenizers.min.mjs";

const [TAGS, ANSWERS] = ["TokenClassification", "QuestionAnswering"];
const [LONGEST, N_BEST, NAMED] = [30, 20, 5]; // pieces of an answer; answers that share the probability; how many are named
const WORD = /[^\s\p{P}!-/:-@[-`{-~]+|[\p{P}!-/:-@[-`{-~]/gu;
const FAR = 16; // letters between two pieces; what is further off is another one that looks the same

export class Model {
  /** Read a folder with `config.json`, the files of its tokenizer and the int8 graph. */
  static async open(folder) {
    const json = async (name) => (await fetch(`${folder}/${name}`)).json();
    const [config, spec, described] = await Promise.all(["config.json", "tokenizer.json", "tokenizer_config.json"].map(json));
    ort.env.wasm.numThreads = 1; // more need a server that isolates the page
    ort.env.wasm.proxy = true; // in a worker, so that the page does not wait
    return new Model(config, spec, described, await ort.InferenceSession.create(`${folder}/model_quantized.onnx`));
  }

  constructor(config, spec, described, session) {
    Object.assign(this, { config, session, tokenizer: new Tokenizer(spec, described) });
    this.labels = Object.keys(config.id2label).map((number) => config.id2label[number]);
    this.kind = config.architectures[0].split("For").at(-1);
    this.paired = this.kind === ANSWERS || config.text_pairs === true;
    this.long = { windows: "off", stride: null, ...config.text_windows };
    this.longest = spec.truncation.max_length;
    this.cuts = ![TAGS, ANSWERS].includes(this.kind) && this.long.windows === "off";
    this.continued = spec.model.type === "WordPiece" ? spec.model.continuing_subword_prefix : "";
    this.unknown = spec.model.type === "Unigram" ? spec.model.vocab[spec.model.unk_id]?.[0] : spec.model.unk_token;
    this.typed = !JSON.stringify(spec.post_processor ?? "").includes('"RobertaProcessing"'); // whose pieces all have type 0
    const bytes = JSON.stringify(spec.pre_tokenizer ?? "").includes('"ByteLevel"');
    const encoder = bytes && new ByteLevelPreTokenizer({ use_regex: false, add_prefix_space: false });
    this.encoded = (text) => (bytes ? encoder.pre_tokenize_text(text).join("") : text);
  }

  /** The answer to a row (`text`, or `text_a` and `text_b`, or `question` and `context`), `ms`, and `pieces` read. */
  async ask(row) {
    const texts = ["text", "text_a", "question", "text_b", "context"].filter((name) => name in row).map((name) => row[name]);
    const started = performance.now();
    const [windows, answer] = ({ [TAGS]: this.tags, [ANSWERS]: this.span }[this.kind] ?? this.whole).call(this, texts);
    const logits = [];
    for (const window of windows) logits.push(await this.logits(window));
    const said = answer(logits);
    const pieces = windows.reduce((sum, window) => sum + window.length, 0);
    return { ...said, ms: performance.now() - started, pieces };
  }

  /** Of a window the scores of the head, in rows: one for all of it, or one for each piece. */
  async logits(window) {
    const given = { input_ids: window.map(({ id }) => id), attention_mask: window.map(() => 1), token_type_ids: window.map(({ type }) => type) };
    const tensor = (values) => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
    const { logits } = await this.session.run(Object.fromEntries(this.session.inputNames.map((name) => [name, tensor(given[name])])));
    const width = logits.dims.at(-1);
    return Array.from({ length: logits.data.length / width }, (_, n) => [...logits.data.slice(n * width, (n + 1) * width)]);
  }

  /** A text or pair in windows, each a list of pieces; see `windows` in predict.py. */
  windows(texts) {
    const sides = texts.map((text, side) => this.pieces(text, side));
    let room = this.longest - this.framed(texts.map(() => [])).length;
    if (this.cuts) return [this.framed(cut(sides, room))];
    const long = Number(sides.length === 2 && (this.kind === ANSWERS || sides[0].length < sides[1].length));
    const short = sides[1 - long] ?? [];
    if (this.kind !== ANSWERS) short.splice(Math.floor(room / 2));
    if ((room -= short.length) < 1) throw new RangeError("The question leaves no room for its context.");
    const step = room - (this.long.stride === null ? Math.floor(room / 4) : Math.min(this.long.stride, Math.floor(room / 2)));
    const starts = [0];
    while (starts.at(-1) + room < sides[long].length) starts.push(starts.at(-1) + step);
    return starts.map((start) => this.framed(sides.with(long, sides[long].slice(start, start + room))));
  }

  /** Sides with the special pieces around them. */
  framed(sides) {
    const { post_processor: around } = this.tokenizer;
    const { tokens, token_type_ids: types } = around ? around.post_process(sides[0], sides[1] ?? null, true) : { tokens: sides.flat() };
    return tokens.map((piece, n) => ({ ...(piece.id === undefined ? this.piece(piece) : piece), type: (this.typed && types?.[n]) || 0 }));
  }

  piece(name) {
    return { name, id: this.tokenizer.token_to_id(name) ?? this.tokenizer.model.unk_token_id };
  }

  /** The pieces of a text, from which to before which character each stands. */
  pieces(text, side) {
    const letters = [...text];
    const shown = letters.map((letter) => this.encoded(this.tokenizer.normalizer ? this.tokenizer.normalizer(letter) : letter));
    const owner = shown.flatMap((letters, n) => Array(letters.length).fill(n));
    const all = shown.join("");
    let end = 0;
    return this.tokenizer.tokenize(text).map((name, n, names) => {
      const [start, next] = this.found(all, end, name, names[n + 1]);
      const place = { start: owner[start] ?? 0, end: next > start ? owner[next - 1] + 1 : 0 };
      while (place.start < place.end && !letters[place.start].trim()) place.start += 1;
      end = Math.max(end, next);
      return { ...this.piece(name), side, ...place };
    });
  }

  /** Where a piece stands in a text as the tokenizer sees it, behind some place; an unknown one is a word, or all up to the next. */
  found(all, from, name, following = "") {
    const bare = this.bare(name);
    const start = all.indexOf(bare, from);
    if (name !== this.unknown && start >= 0 && visible(all.slice(from, start)).length <= FAR) return [start, start + bare.length];
    const first = from + all.slice(from).search(/[^\sĠĊ▁]|$/u);
    if (this.continued) return [first, first + (all.slice(first).match(WORD)?.[0].length ?? 0)];
    const next = this.bare(following) && all.indexOf(this.bare(following), first + 1);
    return [first, next > 0 ? Math.min(next, first + 1 + all.slice(first + 1).search(/[\sĠ▁]|$/u)) : all.length];
  }

  /** The letters of a piece without the marks of where in a word it stands. */
  bare(name) {
    return visible(this.continued && name.startsWith(this.continued) ? name.slice(this.continued.length) : name);
  }

  /** A class, a score or several labels. */
  whole(texts) {
    const limits = this.config.thresholds ?? {};
    const answer = (logits) => {
      const rows = logits.map(([row]) => row);
      const pooled = rows[0].map((_, n) => {
        const column = rows.map((row) => row[n]);
        return this.long.windows === "max" ? Math.max(...column) : column.reduce((sum, one) => sum + one) / column.length;
      });
      const named = (shares) => Object.fromEntries(this.labels.map((label, n) => [label, shares[n]]));
      if (this.config.problem_type === "single_label_classification") {
        const scores = named(softmax(pooled));
        let label = this.labels[likeliest(pooled)];
        for (const [name, limit] of Object.entries(limits)) // of one of two classes, if any
          label = scores[name] >= limit ? name : this.labels.find((other) => other !== name);
        return { label, scores, thresholds: limits };
      }
      if (this.config.problem_type !== "multi_label_classification") return { score: pooled[0] };
      const scores = named(pooled.map((logit) => 1 / (1 + Math.exp(-logit))));
      const thresholds = Object.fromEntries(this.labels.map((label) => [label, limits[label] ?? 0.5]));
      return { labels: this.labels.filter((label) => scores[label] >= thresholds[label]), scores, thresholds };
    };
    return [this.windows(texts), answer];
  }

  /** A tag for each word: that of its first piece, in the window that shows most on both sides of it. */
  tags([text]) {
    const length = (part) => [...part].length;
    const found = [...text.matchAll(WORD)].map(({ 0: word, index }) => [word, length(text.slice(0, index))]);
    const [words, offsets] = [found.map(([word]) => word), found.map(([word, start]) => [start, start + length(word)])];
    let windows = this.windows([text]);
    let firsts = firstPieces(windows, offsets);
    if (firsts.size < words.length) { // the tokenizer passes over some in silence
      const kept = words.map((word, n) => (firsts.has(n) ? word : "?"));
      const ends = kept.map((_, n) => length(kept.slice(0, n + 1).join(" ")));
      windows = this.windows([kept.join(" ")]);
      firsts = firstPieces(windows, kept.map((word, n) => [ends[n] - length(word), ends[n]]));
    }
    const answer = (logits) => {
      const shares = words.map((_, n) => softmax(logits[firsts.get(n).window][firsts.get(n).piece]));
      const tags = shares.map((share) => this.labels[likeliest(share)]);
      return { tokens: words, tags, scores: shares.map((share) => Math.max(...share)), offsets };
    };
    return [windows, answer];
  }

  /** The part of a context that answers a question; nothing where no answer is likelier. */
  span(texts) {
    const [windows, context] = [this.windows(texts), [...texts[1]]];
    const limit = this.config.no_answer_threshold ?? null;
    const answer = (logits) => {
      const found = new Map();
      for (const { score, start, end } of windows.flatMap((window, n) => bestSpans(window, logits[n])).sort((one, other) => other.score - one.score)) {
        const words = context.slice(start, end).join("");
        if (!found.has(words)) found.set(words, { answer: words, score, offsets: [start, end] });
      }
      let ranked = [...found.values()].slice(0, N_BEST);
      const nothing = Math.min(...logits.map(([[begin, end]]) => begin + end));
      const silent = !ranked.length || (limit !== null && nothing - ranked[0].score > limit);
      if (!ranked.length || limit !== null)
        ranked = [...ranked, { answer: "", score: nothing, offsets: null }].sort((one, other) => other.score - one.score);
      const shares = softmax(ranked.map(({ score }) => score));
      const named = ranked.map((one, n) => ({ ...one, score: shares[n] }));
      return { ...named.find((one) => (one.answer === "") === silent), n_best: named.slice(0, NAMED) };
    };
    return [windows, answer];
  }
}

/** Pieces of one text or two without those for which there is no room, of two the longer's first. */
function cut(sides, room) {
  if (sides.length === 1) return [sides[0].slice(0, room)];
  let [short, long] = sides.map((side) => side.length).sort((one, other) => one - other);
  long = Math.min(long, Math.max(short, room - short));
  if (short + long > room) [short, long] = [Math.floor(room / 2), Math.ceil(room / 2)];
  const swapped = sides[0].length > sides[1].length;
  return sides.map((side, n) => side.slice(0, (n === 0) === swapped ? long : short));
}

/** Of each word that has pieces its first: the window that it is best seen in, and its number there. */
function firstPieces(windows, spans) {
  const best = new Map();
  windows.forEach((pieces, window) => {
    let seen = -1;
    pieces.forEach(({ start, end }, piece) => {
      const word = start < end ? spans.findIndex(([, last]) => last > start) : -1;
      if (word < 0 || word === seen || spans[word][0] >= end) return;
      seen = word;
      const before = window > 0 ? piece : Infinity;
      const around = Math.min(before, window < windows.length - 1 ? pieces.length - 1 - piece : Infinity);
      const known = best.get(word);
      if (!known || start < known.start || (start === known.start && around > known.around)) best.set(word, { start, around, window, piece });
    });
  });
  return best;
}

/** The likeliest answers in a window: the sum of both logits, and which characters of the context they are. */
function bestSpans(window, logits) {
  const inside = window.map((piece, n) => ({ ...piece, n })).filter(({ side, start, end }) => side === 1 && start < end);
  const every = inside.flatMap((first, n) =>
    inside.slice(n, n + LONGEST).map((last) => ({ score: logits[first.n][0] + logits[last.n][1], start: first.start, end: last.end })),
  );
  return every.sort((one, other) => other.score - one.score).slice(0, N_BEST);
}

const visible = (letters) => letters.replace(/[\sĠĊ▁]/gu, "");
const likeliest = (shares) => shares.indexOf(Math.max(...shares));

function softmax(logits) {
  const most = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
