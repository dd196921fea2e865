// Validates an AsyncAPI document with the official AsyncAPI parser: `node asyncapi.cjs asyncapi.yaml`. Errors and
// warnings fail the check. Hints, such as a newer version of the specification, are printed only.
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
