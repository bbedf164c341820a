//! Places the nodes of a graph: a layered layout from left to right for each
//! connected part, and the parts packed into a rectangle.
//!
//! Values in, values out; the same graph gives the same picture.

/// Height of a node.
pub const NODE_HEIGHT: u32 = 30;
/// Between two nodes of a column.
const ROW_GAP: u32 = 8;
/// Between two columns, for the edges.
const COLUMN_GAP: u32 = 70;
/// Between the columns that one layer was broken into.
const WRAP_GAP: u32 = 22;
/// Around each connected part.
const PART_GAP: u32 = 34;
/// A layer with more nodes than this is broken into several columns at the least.
const ROWS_MIN: usize = 14;
/// Passes over the layers that bring neighbours near each other.
const SWEEPS: usize = 4;
/// A part that has at least this width is as wide as a page.
const PAGE_WIDTH_MIN: u32 = 1_200;

/// Where a node is: its left upper corner, and how wide its column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// From the left.
    pub x: u32,
    /// From above.
    pub y: u32,
    /// Of the node.
    pub width: u32,
}

/// Where everything is.
#[derive(Debug, Default)]
pub struct Layout {
    /// One for each node.
    pub places: Vec<Place>,
    /// Of the whole.
    pub width: u32,
    /// Of the whole.
    pub height: u32,
}

/// Lays out nodes of these widths that are joined by `edges`.
#[must_use]
pub fn of(widths: &[u32], edges: &[(usize, usize)]) -> Layout {
    let mut places = vec![Place::default(); widths.len()];
    let mut parts: Vec<(Vec<usize>, u32, u32)> = Vec::new();
    let neighbours = Neighbours::of(widths.len(), edges);
    let layers = neighbours.layers();
    for part in neighbours.parts() {
        let (width, height) = place_part(&part, &layers, &neighbours, widths, &mut places);
        parts.push((part, width, height));
    }
    // Large parts first; of those alike the order of the graph holds.
    parts.sort_by_key(|(part, _, height)| (std::cmp::Reverse(*height), part[0]));
    let area: u64 =
        parts.iter().map(|(_, width, height)| u64::from(width + PART_GAP) * u64::from(height + PART_GAP)).sum();
    let widest = parts.iter().map(|(_, width, _)| *width).max().unwrap_or(0);
    let page = widest.max(PAGE_WIDTH_MIN).max(((area as f64) * 1.7).sqrt() as u32);
    let (mut x, mut y, mut shelf) = (PART_GAP, PART_GAP, 0);
    let mut layout = Layout { width: 0, height: 0, places: Vec::new() };
    for (part, width, height) in parts {
        if x > PART_GAP && x + width > page + PART_GAP {
            (x, y, shelf) = (PART_GAP, y + shelf + PART_GAP, 0);
        }
        for index in part {
            places[index].x += x;
            places[index].y += y;
        }
        shelf = shelf.max(height);
        layout.width = layout.width.max(x + width + PART_GAP);
        layout.height = layout.height.max(y + height + PART_GAP);
        x += width + PART_GAP;
    }
    Layout { places, ..layout }
}

struct Neighbours {
    after: Vec<Vec<usize>>,
    before: Vec<Vec<usize>>,
}

impl Neighbours {
    fn of(count: usize, edges: &[(usize, usize)]) -> Self {
        let mut neighbours = Self { after: vec![Vec::new(); count], before: vec![Vec::new(); count] };
        for &(from, to) in edges.iter().filter(|(from, to)| from != to) {
            neighbours.after[from].push(to);
            neighbours.before[to].push(from);
        }
        neighbours
    }

    /// Returns the connected parts, each in the order of the graph.
    fn parts(&self) -> Vec<Vec<usize>> {
        let mut seen = vec![false; self.after.len()];
        let mut parts = Vec::new();
        for start in 0..self.after.len() {
            if std::mem::replace(&mut seen[start], true) {
                continue;
            }
            let mut part = vec![start];
            let mut next = 0;
            while next < part.len() {
                let index = part[next];
                next += 1;
                for &other in self.after[index].iter().chain(&self.before[index]) {
                    if !std::mem::replace(&mut seen[other], true) {
                        part.push(other);
                    }
                }
            }
            part.sort_unstable();
            parts.push(part);
        }
        parts
    }

    /// Returns for each node the length of the longest way to it, edges that
    /// close a cycle left out. Without recursion: a chain may be long.
    fn layers(&self) -> Vec<usize> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; self.after.len()];
        let mut forward: Vec<Vec<usize>> = vec![Vec::new(); self.after.len()];
        let mut finished = Vec::new();
        // What nothing needs starts a way; what is left is in cycles.
        let starts = (0..self.after.len()).filter(|&index| self.before[index].is_empty()).chain(0..self.after.len());
        for start in starts.collect::<Vec<_>>() {
            if marks[start] != Mark::New {
                continue;
            }
            marks[start] = Mark::Open;
            let mut stack = vec![(start, 0)];
            while let Some((index, next)) = stack.last_mut() {
                let index = *index;
                let Some(&other) = self.after[index].get(*next) else {
                    marks[index] = Mark::Done;
                    finished.push(index);
                    stack.pop();
                    continue;
                };
                *next += 1;
                if marks[other] == Mark::Open {
                    continue;
                }
                forward[index].push(other);
                if marks[other] == Mark::New {
                    marks[other] = Mark::Open;
                    stack.push((other, 0));
                }
            }
        }
        let mut layers = vec![0; self.after.len()];
        for &index in finished.iter().rev() {
            for &other in &forward[index] {
                layers[other] = layers[other].max(layers[index] + 1);
            }
        }
        layers
    }
}

/// Places one connected part at the origin, and returns its size.
fn place_part(
    part: &[usize],
    layers: &[usize],
    neighbours: &Neighbours,
    widths: &[u32],
    places: &mut [Place],
) -> (u32, u32) {
    let depth = part.iter().map(|&index| layers[index]).max().unwrap_or(0) + 1;
    let mut columns: Vec<Vec<usize>> = vec![Vec::new(); depth];
    for &index in part {
        columns[layers[index]].push(index);
    }
    order(&mut columns, neighbours, places.len());
    let rows_max = ROWS_MIN.max(((part.len() as f64) * 1.2).sqrt() as usize);
    let (mut x, mut height) = (0, 0);
    let mut wrapped: Vec<(u32, u32, Vec<usize>)> = Vec::new();
    for column in columns {
        let pieces = column.len().div_ceil(rows_max);
        for (number, piece) in column.chunks(column.len().div_ceil(pieces).max(1)).enumerate() {
            if number > 0 {
                x += WRAP_GAP;
            } else if !wrapped.is_empty() {
                x += COLUMN_GAP;
            }
            let width = piece.iter().map(|&index| widths[index]).max().unwrap_or(0);
            wrapped.push((x, width, piece.to_vec()));
            height = height.max(column_height(piece.len()));
            x += width;
        }
    }
    for (x, width, piece) in wrapped {
        let mut y = (height - column_height(piece.len())) / 2;
        for index in piece {
            places[index] = Place { x, y, width };
            y += NODE_HEIGHT + ROW_GAP;
        }
    }
    (x, height)
}

fn column_height(rows: usize) -> u32 {
    let rows = u32::try_from(rows).unwrap_or(u32::MAX / 100);
    (rows * (NODE_HEIGHT + ROW_GAP)).saturating_sub(ROW_GAP)
}

/// Orders each column by the mean place of the neighbours in the one before or
/// after it, so that few edges cross.
fn order(columns: &mut [Vec<usize>], neighbours: &Neighbours, count: usize) {
    let mut rank = vec![0.0; count];
    let note = |column: &[usize], rank: &mut Vec<f64>| {
        for (place, &index) in column.iter().enumerate() {
            rank[index] = (place as f64 + 0.5) / column.len() as f64;
        }
    };
    columns.iter().for_each(|column| note(column, &mut rank));
    for sweep in 0..SWEEPS {
        let forward = sweep % 2 == 0;
        let sides = if forward { &neighbours.before } else { &neighbours.after };
        let mut numbers: Vec<usize> = (0..columns.len()).collect();
        if !forward {
            numbers.reverse();
        }
        for number in numbers {
            let mean = |index: usize, rank: &[f64]| {
                let side = &sides[index];
                if side.is_empty() {
                    return rank[index];
                }
                side.iter().map(|&other| rank[other]).sum::<f64>() / side.len() as f64
            };
            let mut keyed: Vec<(f64, usize)> =
                columns[number].iter().map(|&index| (mean(index, &rank), index)).collect();
            keyed.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
            columns[number] = keyed.into_iter().map(|(_, index)| index).collect();
            note(&columns[number], &mut rank);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_apart(layout: &Layout) -> bool {
        let all = &layout.places;
        (0..all.len()).all(|left| {
            (0..left).all(|right| {
                let (a, b) = (all[left], all[right]);
                a.x + a.width <= b.x || b.x + b.width <= a.x || a.y.abs_diff(b.y) >= NODE_HEIGHT
            })
        })
    }

    #[test]
    fn nothing_and_one_node_have_a_place() {
        assert!(of(&[], &[]).places.is_empty());
        let one = of(&[100], &[(0, 0)]);
        assert!(one.width > 100 && one.height > NODE_HEIGHT);
    }

    #[test]
    fn what_is_needed_is_to_the_right_of_what_needs_it() {
        let layout = of(&[50; 4], &[(0, 1), (1, 2), (0, 2), (3, 2)]);
        let x = |index: usize| layout.places[index].x;
        assert!(x(0) < x(1) && x(1) < x(2) && x(3) < x(2));
    }

    #[test]
    fn a_cycle_and_a_long_chain_end() {
        assert!(is_apart(&of(&[50; 3], &[(0, 1), (1, 2), (2, 0)])));
        let chain: Vec<(usize, usize)> = (0..20_000).map(|index| (index, index + 1)).collect();
        assert_eq!(of(&vec![10; 20_001], &chain).places.len(), 20_001);
    }

    #[test]
    fn no_node_covers_another_one() {
        let star: Vec<(usize, usize)> = (1..400).map(|index| (0, index)).collect();
        let layout = of(&[80; 400], &star);
        assert!(is_apart(&layout));
        assert!(layout.height < 40 * (NODE_HEIGHT + ROW_GAP), "a wide layer is broken: {}", layout.height);
        let parts: Vec<(usize, usize)> = (0..300).map(|index| (index / 5 * 5, index)).collect();
        assert!(is_apart(&of(&[120; 300], &parts)));
    }
}
