//! The description of a module that our binding writes into its library: a tree of
//! words. `description.zig` of the binding has what the nodes are about.

/// Stands before each word of a node but the first.
const WORD: char = '\u{1}';
/// Stand before and after a node.
const OPEN: char = '\u{2}';
const CLOSE: char = '\u{3}';

/// A deeper tree is none of ours, and would exhaust the stack of whoever walks it.
const DEPTH_MAX: usize = 64;

/// Something that is described: words, then what it is made of.
#[derive(Debug)]
pub(super) struct Node<'a> {
    words: Vec<&'a str>,
    pub(super) children: Vec<Node<'a>>,
}

impl<'a> Node<'a> {
    /// Reads the text of one node. Anything may stand there: the library may be
    /// another's, and a name in it may have the bytes that mean something here.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut open: Vec<Self> = Vec::new();
        let mut rest = text;
        loop {
            let mut characters = rest.chars();
            let mark = characters.next()?;
            let behind = characters.as_str();
            let (word, following) = behind.split_at(behind.find([WORD, OPEN, CLOSE]).unwrap_or(behind.len()));
            match mark {
                OPEN if open.len() < DEPTH_MAX => open.push(Self { words: vec![word], children: Vec::new() }),
                WORD => open.last_mut().filter(|node| node.children.is_empty())?.words.push(word),
                CLOSE if word.is_empty() => {
                    let node = open.pop()?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(node),
                        None => return following.is_empty().then_some(node),
                    }
                }
                _ => return None,
            }
            rest = following;
        }
    }

    /// Returns what the node is about: its first word.
    pub(super) fn what(&self) -> &'a str {
        self.word(0)
    }

    /// Returns a word, or an empty one.
    pub(super) fn word(&self, index: usize) -> &'a str {
        self.words.get(index).copied().unwrap_or_default()
    }

    /// Returns the words from one on.
    pub(super) fn words(&self, from: usize) -> &[&'a str] {
        self.words.get(from..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_words_and_children() {
        let node = Node::parse("\u{2}a\u{1}\u{1}b c\n\u{2}é\u{3}\u{2}\u{2}d\u{1}e\u{3}\u{3}\u{3}").unwrap();
        assert_eq!((node.what(), node.words(1), node.word(7)), ("a", &["", "b c\n"][..], ""));
        assert_eq!(node.words(7), &[""; 0]);
        let [first, second] = &node.children[..] else { panic!("{node:?}") };
        assert_eq!((first.what(), first.children.len()), ("é", 0));
        assert_eq!((second.what(), second.children[0].word(1)), ("", "e"));
    }

    #[test]
    fn what_is_no_tree_is_none() {
        for text in
            ["", "a", "é", "\u{1}a", "\u{3}", "\u{2}a", "\u{2}a\u{3}\u{3}", "\u{2}a\u{3}b", "\u{2}a\u{3}\u{2}b\u{3}"]
        {
            assert!(Node::parse(text).is_none(), "{text:?}");
        }
        assert!(Node::parse("\u{2}a\u{2}b\u{3}c\u{3}").is_none());
        assert!(Node::parse("\u{2}a\u{2}b\u{3}\u{1}c\u{3}").is_none());
        let deep = |depth: usize| format!("{}{}", "\u{2}a".repeat(depth), "\u{3}".repeat(depth));
        assert!(Node::parse(&deep(DEPTH_MAX)).is_some());
        assert!(Node::parse(&deep(DEPTH_MAX + 1)).is_none());
        assert!(Node::parse(&deep(1_000_000)).is_none());
    }
}
