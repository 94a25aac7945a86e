// node ask.mjs FOLDER ROWS.json FILES: what transformers.js says of each row, asked alone, by each of some ONNX files.
import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { AutoModelForSequenceClassification, AutoTokenizer, env, pipeline } from "@huggingface/transformers";

const [, , folder, rows, ...dtypes] = process.argv;
env.allowRemoteModels = false;
env.localModelPath = dirname(folder);
const name = basename(folder);
const config = JSON.parse(readFileSync(`${folder}/config.json`));
const tags = config.architectures[0].endsWith("ForTokenClassification");

async function asker(dtype) {
  if (config.text_pairs) {
    const tokenizer = await AutoTokenizer.from_pretrained(name);
    const model = await AutoModelForSequenceClassification.from_pretrained(name, { dtype });
    return async ([text, text_pair]) => (await model(tokenizer(text, { text_pair, truncation: true }))).logits.tolist()[0];
  }
  const ask = await pipeline(tags ? "token-classification" : "text-classification", name, { dtype });
  return (text) => ask(text, tags ? { ignore_labels: [] } : { top_k: null });
}

const answers = {};
for (const dtype of dtypes) {
  const ask = await asker(dtype);
  answers[dtype] = [];
  for (const row of JSON.parse(readFileSync(rows))) answers[dtype].push(await ask(row));
}
console.log(JSON.stringify(answers));
