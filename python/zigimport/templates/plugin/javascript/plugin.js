// Finds what a comment names: `// track: assets/*.txt`.

const directive = "// track:";

// One character for each byte, so that columns count bytes.
const characters = (bytes) => {
  let text = "";
  for (let start = 0; start < bytes.length; start += 4096) {
    text += String.fromCharCode(...bytes.subarray(start, start + 4096));
  }
  return text;
};

// The runtime need not have TextDecoder.
const decoded = (text) => decodeURIComponent(escape(text));

// Returns every input that the source asks for; `path` is relative to the project root.
// What is thrown is a problem of the source.
export function track(path, source) {
  const found = [];
  characters(source).split("\n").forEach((line, index) => {
    const indent = line.search(/[^ \t]/);
    const text = line.replace(/^[ \t]+|[ \t\r]+$/g, "");
    if (!text.startsWith(directive)) return;
    const operand = text.slice(directive.length).replace(/^[ \t]+/, "");
    const place = { line: index + 1, column: indent + 1 };
    if (operand === "") {
      throw { message: "expected a path or a pattern after `// track:`", ...place };
    }
    place.column += text.indexOf(operand, directive.length);
    let val;
    try {
      val = decoded(operand);
    } catch {
      throw { message: "expected UTF-8", ...place };
    }
    found.push({ input: { tag: /[*?[]/.test(val) ? "glob" : "file", val }, ...place });
  });
  return found;
}
