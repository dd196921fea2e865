// Checks an AsyncAPI document with AsyncAPI's own parser: `node asyncapi.cjs asyncapi.yaml`. Hints, such as that there
// is a newer version of the specification, are shown and fail nothing.
const { Parser, fromFile } = require("@asyncapi/parser");

const LEVELS = ["error", "warning", "information", "hint"];

async function main(file) {
  const { document, diagnostics } = await fromFile(new Parser(), file).parse();
  for (const { severity, range, path, message, code } of diagnostics) {
    console.error(`${file}:${range.start.line + 1}: ${LEVELS[severity]} ${code} at ${path.join(".")}: ${message}`);
  }
  process.exitCode = document && diagnostics.every(({ severity }) => severity > 1) ? 0 : 1;
}

main(process.argv[2]);
