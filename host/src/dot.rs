//! The graph of a plan in the DOT language of Graphviz.

use crate::graph::{Graph, Kind, State};
use crate::template;

/// Writes a graph; colour and shape say the same.
#[must_use]
pub fn write(graph: &Graph) -> String {
    let mut lines = vec![
        "digraph plan {".to_owned(),
        "  rankdir=LR;".to_owned(),
        "  node [fontname=\"sans-serif\", fontsize=11, style=filled, color=\"#444444\"];".to_owned(),
        "  edge [fontname=\"sans-serif\", fontsize=9, color=\"#777777\"];".to_owned(),
    ];
    for (index, node) in graph.nodes.iter().enumerate() {
        let (shape, fill) = look(node.state);
        let peripheries = if node.kind == Kind::Module { 2 } else { 1 };
        let label = format!("{}\n{}, {}", node.label, node.kind.name(), node.state.name());
        lines.push(format!(
            "  n{index} [label={}, shape={shape}, fillcolor=\"{fill}\", peripheries={peripheries}];",
            quoted(&label)
        ));
    }
    for edge in &graph.edges {
        let label = if edge.how.is_empty() { String::new() } else { format!(" [label={}]", quoted(&edge.how)) };
        lines.push(format!("  n{} -> n{}{label};", edge.from, edge.to));
    }
    lines.push("}".to_owned());
    lines.join("\n")
}

fn look(state: State) -> (&'static str, &'static str) {
    match state {
        State::Refuse => ("octagon", "#f4b6b6"),
        State::Build => ("diamond", "#ffd8a8"),
        State::Fetch => ("invhouse", "#d0e3ff"),
        State::Restore => ("house", "#d0e3ff"),
        State::Load => ("ellipse", "#c9ecd0"),
        State::Skip => ("parallelogram", "#e4e4e4"),
        State::Absent => ("note", "#f4d6ee"),
        State::Changed => ("trapezium", "#ffe9b0"),
        State::New => ("cds", "#d8e8ff"),
        State::Removed => ("invtrapezium", "#eadcf8"),
        State::Unchanged => ("box", "#eef7ef"),
        State::External => ("hexagon", "#eeeeee"),
    }
}

/// Writes a quoted string. In a label a backslash starts an escape, so that of a
/// name is doubled; a control character has no place in a picture.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            other if template::is_unseen(other) => quoted.push('\u{fffd}'),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn no_name_ends_its_string() {
        assert_eq!(quoted("a\"b\\"), r#""a\"b\\""#);
        assert_eq!(quoted("a\nb\u{7}"), "\"a\\nb\u{fffd}\"");
    }
}
