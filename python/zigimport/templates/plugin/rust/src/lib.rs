//! Finds what a comment names: `// track: assets/*.txt`.

wit_bindgen::generate!({ path: "wit", world: "plugin" });

use zigimport::plugin::tracking::Input;

const DIRECTIVE: &str = "// track:";

struct Plugin;

impl Guest for Plugin {
    /// Returns every input that the source asks for; `path` is relative to the project root.
    fn track(_path: String, source: Vec<u8>) -> Result<Vec<Found>, Problem> {
        let mut found = Vec::new();
        for (line, bytes) in (1..).zip(source.split(|byte| *byte == b'\n')) {
            let indent = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let rest = &bytes[indent..];
            let Some(operand) = rest.strip_prefix(DIRECTIVE.as_bytes()) else { continue };
            let skipped = operand.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let operand = operand[skipped..].trim_ascii_end();
            let problem = |message: &str, offset: usize| Problem {
                message: message.to_owned(),
                line,
                column: (offset + 1) as u32,
            };
            if operand.is_empty() {
                return Err(problem("expected a path or a pattern after `// track:`", indent));
            }
            let offset = indent + DIRECTIVE.len() + skipped;
            let Ok(operand) = str::from_utf8(operand) else { return Err(problem("expected UTF-8", offset)) };
            let input = if operand.contains(['*', '?', '[']) {
                Input::Glob(operand.to_owned())
            } else {
                Input::File(operand.to_owned())
            };
            found.push(Found { input, line, column: (offset + 1) as u32 });
        }
        Ok(found)
    }
}

export!(Plugin);
