// VS Code's JSON service over lines of JSON: {"uri", "text", "offset"} in; diagnostics, completions and hover out.
const { createRequire } = require("module");
const { readFile } = require("fs/promises");
const { fileURLToPath } = require("url");
const service = createRequire(process.argv[2] + "/")("vscode-json-languageservice");

const editor = service.getLanguageService({
  schemaRequestService: (uri) => readFile(fileURLToPath(uri), "utf8"),
  workspaceContext: { resolveRelativePath: (path, resource) => new URL(path, resource).href },
});
editor.configure({ validate: true, allowComments: false });

async function look({ uri, text, offset }) {
  const document = service.TextDocument.create(uri, "json", 1, text);
  const parsed = editor.parseJSONDocument(document);
  const found = await editor.doValidation(document, parsed);
  const place = document.positionAt(offset);
  const offered = await editor.doComplete(document, place, parsed);
  const hover = await editor.doHover(document, place, parsed);
  return {
    diagnostics: found.map((each) => [each.range.start.line, each.range.start.character, each.message]),
    completions: offered.items.map((each) => each.label.replace(/^"|"$/g, "")),
    hover: hover ? [hover.contents].flat().map((each) => each.value ?? each).join("\n") : "",
  };
}

require("readline")
  .createInterface({ input: process.stdin })
  .on("line", async (line) => console.log(JSON.stringify(await look(JSON.parse(line)))));
