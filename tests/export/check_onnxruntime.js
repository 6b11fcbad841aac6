// SPDX-License-Identifier: MIT
// ONNX files beside what the library answers, in ONNX Runtime: all images at once, and the first three alone.
//   NODE_PATH=.../node_modules node check_onnxruntime.js FOLDER
"use strict";
const fs = require("fs");
const path = require("path");
const ort = require("onnxruntime-node");

const tolerance = 1e-4;

function floats(file) {
  const bytes = fs.readFileSync(file);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

function channelsFirst(images, c) {
  const pixels = c.height * c.width;
  const out = new Float32Array(images.length);
  for (let i = 0; i < c.images; ++i)
    for (let p = 0; p < pixels; ++p)
      for (let k = 0; k < c.channels; ++k)
        out[(i * c.channels + k) * pixels + p] = images[(i * pixels + p) * c.channels + k];
  return out;
}

async function difference(session, images, count, c, last, wanted) {
  const one = c.height * c.width * c.channels;
  const shape = last ? [count, c.height, c.width, c.channels] : [count, c.channels, c.height, c.width];
  const result = await session.run({ images: new ort.Tensor("float32", images.slice(0, count * one), shape) });
  const answer = result[session.outputNames[0]].data;
  if (answer.length !== (count * wanted.length) / c.images) throw new Error(`${answer.length} numbers for ${count} images`);
  let worst = 0;
  for (let i = 0; i < answer.length; ++i) {
    const off = Math.abs(answer[i] - wanted[i]);
    if (!(off <= worst)) worst = off;
  }
  return worst;
}

async function main() {
  let failed = 0;
  for (const name of fs.readdirSync(process.argv[2]).sort()) {
    const folder = path.join(process.argv[2], name);
    const c = JSON.parse(fs.readFileSync(path.join(folder, "case.json"), "utf8"));
    const images = floats(path.join(folder, "images.f32"));
    for (const file of fs.readdirSync(folder).filter((f) => f.endsWith(".onnx")).sort()) {
      try {
        const session = await ort.InferenceSession.create(path.join(folder, file), { logSeverityLevel: 3 });
        const last = file.includes("nhwc");
        const wanted = floats(path.join(folder, `${session.outputNames[0]}.f32`));
        const given = last ? images : channelsFirst(images, c);
        const all = await difference(session, given, c.images, c, last, wanted);
        const three = await difference(session, given, 3, c, last, wanted);
        const worst = Math.max(all, three);
        if (!(worst <= tolerance)) throw new Error(`differs by ${worst.toExponential(1)}`);
        console.log(`ok ${name}/${file}: ONNX Runtime within ${worst.toExponential(1)}`);
      } catch (error) {
        console.log(`FAILED ${name}/${file}: ${error.message}`);
        ++failed;
      }
    }
  }
  process.exitCode = failed > 0 ? 1 : 0;
}

main();
