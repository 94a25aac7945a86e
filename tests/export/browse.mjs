// node browse.mjs URL ROWS.json FOLDER: what the live page answers in Chromium, how wide it gets, whom it asks; pictures.
import { readFileSync } from "node:fs";
import puppeteer from "puppeteer-core";

const [, , url, file, pictures] = process.argv;
const rows = JSON.parse(readFileSync(file));
const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage();
const [asked, troubles] = [new Set(), []];
page.on("request", (request) => asked.add(new URL(request.url()).host));
page.on("pageerror", (error) => troubles.push(error.message));
await page.setViewport({ width: 1280, height: 900 });
await page.goto(url);
await page.waitForFunction(() => !document.getElementById("ask").hidden || /npm|loaded/.test(document.getElementById("notice").textContent));
const found = { notice: await page.$eval("#notice", (notice) => (notice.hidden ? "" : notice.textContent)), widths: {} };
if (!found.notice) {
  for (const [name, text] of Object.entries(rows[0])) {
    await page.focus(`#${name}`);
    await page.keyboard.sendCharacter(text);
  }
  await page.waitForFunction(() => document.getElementById("times").children.length);
  found.verdict = await page.$eval("#verdict", (verdict) => verdict.textContent);
  found.answers = await page.evaluate(async (rows) => {
    const { Model } = await import("./model.js");
    const model = await Model.open("model");
    const answers = [];
    for (const row of rows) answers.push(await model.ask(row));
    return answers;
  }, rows);
}
for (const width of [1280, 400])
  for (const scheme of ["light", "dark"]) {
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    found.widths[width] = await page.evaluate(() => document.documentElement.scrollWidth);
    await page.screenshot({ path: `${pictures}/${width}-${scheme}.png`, fullPage: true });
  }
await browser.close();
console.log(JSON.stringify({ ...found, asked: [...asked], troubles }));
