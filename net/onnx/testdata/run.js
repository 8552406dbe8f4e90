// Runs ONNX files in ONNX Runtime. Arguments: the package's path, and a folder with cases.json, a
// list of {name, shape, outputs}. For each case, reads the input NAME.x of batches of 3 and of 1,
// float32, and writes the outputs to NAME.OUTPUT.y.
const fs = require("fs");
const path = require("path");

async function main(runtime, folder) {
  const ort = require(runtime);
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  for (const c of JSON.parse(fs.readFileSync(path.join(folder, "cases.json")))) {
    const session = await ort.InferenceSession.create(new Uint8Array(fs.readFileSync(path.join(folder, c.name + ".onnx"))));
    if (session.inputNames.join() !== "input" || session.outputNames.join() !== c.outputs.join()) {
      throw new Error(`${c.name}: inputs ${session.inputNames}, outputs ${session.outputNames}`);
    }
    const data = fs.readFileSync(path.join(folder, c.name + ".x"));
    const x = new Float32Array(data.buffer, data.byteOffset, data.length / 4);
    const size = x.length / 4;
    const parts = {};
    for (const [from, n] of [[0, 3], [3, 1]]) {
      const input = new ort.Tensor("float32", x.slice(from * size, (from + n) * size), [n, ...c.shape]);
      const results = await session.run({ input });
      for (const name of c.outputs) {
        const y = results[name].data;
        (parts[name] ??= []).push(Buffer.from(y.buffer, y.byteOffset, y.byteLength));
      }
    }
    for (const name of c.outputs) {
      fs.writeFileSync(path.join(folder, `${c.name}.${name}.y`), Buffer.concat(parts[name]));
    }
    await session.release();
  }
}

main(process.argv[2], process.argv[3]).catch((err) => {
  console.error(err);
  process.exit(1);
});
