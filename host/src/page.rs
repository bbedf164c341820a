//! The graph of a plan as one HTML page that needs nothing else: no network, no
//! file beside it.

use serde::Serialize;

use crate::graph::{Graph, Kind, Node, State};
use crate::layout::{self, Layout, NODE_HEIGHT, Place};
use crate::template::{self, escaped};

/// The page with places for title, summary, legend, picture, table and data.
const TEMPLATE: &str = include_str!("page.html");
/// A longer label is shortened in its middle; the details have it whole.
const LABEL_CHARACTERS_MAX: usize = 34;
/// About how wide a character of a label is.
const CHARACTER_WIDTH: u32 = 8;
/// The edges of a node with more than this would cover what lies below them, and are pale.
const PLAIN_EDGES_MAX: usize = 40;
/// Of a node, beside its label.
const NODE_MARGIN: u32 = 44;

/// What the page's program gets.
#[derive(Serialize)]
struct Data<'a> {
    edges: Vec<(usize, usize, &'a str)>,
    nodes: Vec<NodeData<'a>>,
}

#[derive(Serialize)]
struct NodeData<'a> {
    facts: &'a [(&'static str, String)],
    kind: &'static str,
    label: &'a str,
    meaning: &'static str,
    state: &'static str,
}

impl<'a> NodeData<'a> {
    fn of(node: &'a Node) -> Self {
        let Node { label, kind, state, facts } = node;
        Self { facts, kind: kind.name(), label, meaning: state.meaning(), state: state.name() }
    }
}

/// Writes the page.
#[must_use]
pub fn write(graph: &Graph, summary: &str) -> String {
    let labels: Vec<String> = graph.nodes.iter().map(|node| shortened(&node.label)).collect();
    let widths: Vec<u32> = labels.iter().map(|label| NODE_MARGIN + CHARACTER_WIDTH * columns(label)).collect();
    let edges: Vec<(usize, usize)> = graph.edges.iter().map(|edge| (edge.from, edge.to)).collect();
    let layout = layout::of(&widths, &edges);
    let mut data = serde_json::to_string(&Data {
        edges: graph.edges.iter().map(|edge| (edge.from, edge.to, &*edge.how)).collect(),
        nodes: graph.nodes.iter().map(NodeData::of).collect(),
    })
    .expect("a graph has only encodable fields");
    // Mostly there is nothing to look for.
    if !data.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        data = data.chars().map(|one| if template::is_unseen(one) { '\u{fffd}' } else { one }).collect();
    }
    template::fill(TEMPLATE, &data, |place| match place {
        "summary" => escaped(summary),
        "legend" => legend(graph),
        "graph" => picture(graph, &labels, &layout),
        "table" => table(graph),
        "shapes" => shapes(),
        _ => String::new(),
    })
}

fn shapes() -> String {
    let symbol = |state: &State| {
        format!("<symbol id=\"s-{}\" viewBox=\"-8 -8 16 16\"><path d=\"{}\"/></symbol>", state.name(), shape(*state))
    };
    State::ALL.iter().map(symbol).collect()
}

/// Returns the outline of a state's sign, around the origin, within 7 units.
fn shape(state: State) -> &'static str {
    match state {
        State::Build => "M0-7L7 0 0 7-7 0Z",
        State::Refuse => "M-7-4-4-7 0-3 4-7 7-4 3 0 7 4 4 7 0 3-4 7-7 4-3 0Z",
        State::Fetch => "M-3-7H3V0H7L0 7-7 0H-3Z",
        State::Restore => "M-6-6H6V6H-6ZM-3-3V3H3V-3Z",
        State::Load => "M0-6A6 6 0 1 1 0 6 6 6 0 1 1 0-6Z",
        State::Skip => "M-7-2H7V2H-7Z",
        State::Changed => "M0-6.5 7 6H-7Z",
        State::New => "M-2-7H2V-2H7V2H2V7H-2V2H-7V-2H-2Z",
        State::Removed => "M0 6.5 7-6H-7Z",
        State::Absent => {
            "M0-7A7 7 0 1 1 0 7 7 7 0 1 1 0-7ZM0-5.2A5.2 5.2 0 1 0 0 5.2 5.2 5.2 0 1 0 0-5.2ZM-4 3 3-4 4-3-3 4Z"
        }
        State::Unchanged => "M0-6A6 6 0 1 1 0 6 6 6 0 1 1 0-6ZM0-4A4 4 0 1 0 0 4 4 4 0 1 0 0-4Z",
        State::External => "M-6.5 0-3.2-6H3.2L6.5 0 3.2 6H-3.2Z",
    }
}

fn sign(state: State) -> String {
    let name = state.name();
    format!(
        "<svg class=\"sign {name}\" width=\"16\" height=\"16\" aria-hidden=\"true\"><use href=\"#s-{name}\"/></svg>"
    )
}

fn legend(graph: &Graph) -> String {
    let count = |state: State| graph.nodes.iter().filter(|node| node.state == state).count();
    let row = |state: &State| {
        format!("<li>{}<b>{}</b> <span>{} ({})</span></li>", sign(*state), state.name(), state.meaning(), count(*state))
    };
    State::ALL.iter().filter(|state| count(**state) > 0).map(row).collect()
}

fn picture(graph: &Graph, labels: &[String], layout: &Layout) -> String {
    let Layout { places, width, height } = layout;
    let mut parts = vec![format!(
        "<svg id=\"graph\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"group\" \
         aria-label=\"Dependency graph\" aria-describedby=\"keys\">"
    )];
    parts.push("<g id=\"edges\" aria-hidden=\"true\">".to_owned());
    let mut degrees = vec![0; graph.nodes.len()];
    for edge in &graph.edges {
        degrees[edge.from] += 1;
        degrees[edge.to] += 1;
    }
    for (number, edge) in graph.edges.iter().enumerate() {
        let line = curve(places[edge.from], places[edge.to]);
        let is_many = degrees[edge.from].max(degrees[edge.to]) > PLAIN_EDGES_MAX;
        let class = if is_many { " class=\"many\"" } else { "" };
        parts.push(format!("<path id=\"e{number}\"{class} d=\"{line}\" marker-end=\"url(#arrow)\"/>"));
    }
    parts.push("</g>".to_owned());
    for (index, ((node, label), place)) in graph.nodes.iter().zip(labels).zip(places).enumerate() {
        parts.push(drawn(index, node, label, *place));
    }
    parts.push("</svg>".to_owned());
    parts.concat()
}

fn drawn(index: usize, node: &Node, label: &str, place: Place) -> String {
    let Place { x, y, width } = place;
    let state = node.state.name();
    let kind = if node.kind == Kind::Module { "module" } else { "part" };
    let name = escaped(&node.label);
    let tab = if index == 0 { 0 } else { -1 };
    format!(
        "<g id=\"n{index}\" class=\"node {kind} {state}\" role=\"button\" tabindex=\"{tab}\" transform=\"translate({x} {y})\" \
         aria-label=\"{name}, {}, {state}\" aria-pressed=\"false\"><title>{name}</title>\
         <rect class=\"ring\" x=\"-4\" y=\"-4\" width=\"{}\" height=\"{}\" rx=\"9\"/>\
         <rect class=\"box\" width=\"{width}\" height=\"{NODE_HEIGHT}\" rx=\"6\"/>\
         <use class=\"sign\" href=\"#s-{state}\" x=\"9\" y=\"7\" width=\"16\" height=\"16\"/>\
         <text x=\"32\" y=\"20\">{}</text></g>",
        node.kind.name(),
        width + 8,
        NODE_HEIGHT + 8,
        escaped(label),
    )
}

/// Returns the path of an edge: from right to left side, and around where what
/// is needed is not to the right.
fn curve(from: Place, to: Place) -> String {
    let middle = NODE_HEIGHT / 2;
    let (x1, y1) = (i64::from(from.x + from.width), i64::from(from.y + middle));
    let (x2, y2) = (i64::from(to.x) - 3, i64::from(to.y + middle));
    let reach = ((x2 - x1).abs() / 2).clamp(30, 120);
    format!("M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}", x1 + reach, x2 - reach)
}

fn table(graph: &Graph) -> String {
    let row = |(index, node): (usize, &Node)| {
        let actions: Vec<&str> =
            node.facts.iter().filter(|(name, _)| *name == "action").map(|(_, value)| value.as_str()).collect();
        format!(
            "<tr><td><a href=\"#n{index}\" data-node=\"{index}\">{}</a></td><td>{}{}</td><td>{}</td></tr>",
            escaped(&node.label),
            sign(node.state),
            node.state.name(),
            escaped(&actions.join("; ")),
        )
    };
    graph.nodes.iter().enumerate().filter(|(_, node)| node.kind == Kind::Module).map(row).collect()
}

/// Returns a label that fits into a node: its start and, which tells more of a
/// path, its end.
fn shortened(label: &str) -> String {
    let characters: Vec<char> =
        label.chars().map(|one| if template::is_unseen(one) { '\u{fffd}' } else { one }).collect();
    if characters.len() <= LABEL_CHARACTERS_MAX {
        return characters.into_iter().collect();
    }
    let end = LABEL_CHARACTERS_MAX * 2 / 3;
    let start = LABEL_CHARACTERS_MAX - end - 1;
    characters[..start].iter().chain(&['…']).chain(&characters[characters.len() - end..]).collect()
}

/// Returns how many narrow characters wide a label is: most writings beyond
/// the alphabets are twice as wide.
fn columns(label: &str) -> u32 {
    label.chars().map(|character| if character >= '\u{1100}' && character != '…' { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_label_keeps_its_end() {
        let label = shortened(&format!("{}/part.zig", "folder/".repeat(20)));
        assert_eq!(label.chars().count(), LABEL_CHARACTERS_MAX);
        assert!(label.starts_with("folder") && label.ends_with("/part.zig"));
    }
}
