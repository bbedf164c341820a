//! The body of a stub file, made of what the binding says of a module. Nothing is
//! taken for granted: what is missing or unknown is `Any`, and a name that Python
//! cannot write has no place in a stub.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::Node;

/// Where names come from that the module does not have itself, but for what is
/// built in.
const IMPORTS: &[(&str, &[&str])] = &[
    ("_typeshed", &["ReadableBuffer", "WriteableBuffer"]),
    ("collections.abc", &["Callable", "Iterator", "Sequence"]),
    ("typing", &["Any", "Literal", "NamedTuple"]),
    ("typing_extensions", &["Self"]),
];

/// The class of arrays: no module has it under a name.
const ARRAY: &str = "_Array";

/// Longer arrays are tuples of any length.
const LISTED_MAX: usize = 16;

/// What the compiler has in the name of a type that is made where it is used.
const NAMELESS: &str = "__struct_";

const KEYWORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Parameter,
    Result,
}

/// What Python passes to a function besides its arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Receiver {
    /// Nothing that a caller sees, to a function of the module.
    Module,
    /// Nothing, to a function in a class.
    Static,
    Instance,
    /// An instance, with arguments that have no names: Python itself calls it.
    Special,
}

/// Returns the text of a stub.
pub(super) fn text(module: &Node<'_>) -> String {
    // A name from elsewhere is written otherwise if the module has it, too.
    let mut names = Writer::new(module, BTreeSet::new());
    names.body(module);
    let mut writer = Writer::new(module, names.defined);
    writer.body(module);
    let array = writer.array();
    format!("{}{}{array}{}", doc_string(module.word(2), ""), writer.imports(), writer.text)
}

struct Writer<'a> {
    /// The names that the module has, in whatever scope.
    own: BTreeSet<String>,
    /// Those that were written until now.
    defined: BTreeSet<String>,
    /// Where Python finds records and classes, by the names of their Zig types.
    public: BTreeMap<&'a str, String>,
    imported: BTreeMap<&'static str, BTreeSet<&'static str>>,
    qualified: BTreeSet<&'static str>,
    has_array: bool,
    text: String,
    indentation: String,
}

impl<'a> Writer<'a> {
    fn new(module: &Node<'a>, own: BTreeSet<String>) -> Self {
        let mut public = BTreeMap::new();
        find_types(module, "", &mut public);
        Self {
            own,
            defined: BTreeSet::new(),
            public,
            imported: BTreeMap::new(),
            qualified: BTreeSet::new(),
            has_array: false,
            text: String::new(),
            indentation: String::new(),
        }
    }

    fn body(&mut self, module: &Node<'a>) {
        // The user's own declaration of that name wins.
        if !module.children.iter().any(|one| one.word(1) == "ZigError") {
            let base = self.outside("RuntimeError");
            self.class("ZigError", &format!("({base})"), "", |writer| {
                let text = writer.outside("str");
                writer.attribute("name", &text);
            });
        }
        self.exports(module, Receiver::Module, "");
    }

    /// Writes what a namespace has. `prefix` is what Python writes before its names.
    fn exports(&mut self, namespace: &Node<'a>, receiver: Receiver, prefix: &str) {
        for one in namespace.children.iter().filter(|one| is_name(one.word(1))) {
            let (name, doc, described) = (one.word(1), one.word(2), one.children.first());
            match (one.what(), described) {
                ("function", _) => self.function(one, name, receiver),
                ("constant", _) => {
                    let annotation = self.annotation(described, Direction::Result);
                    self.attribute(name, &annotation);
                }
                ("enumeration", Some(enumeration)) => {
                    let names: Vec<String> = enumeration.words(1).iter().map(|name| self.literal(&[name])).collect();
                    let annotation = self.tuple(&names);
                    self.attribute(name, &annotation);
                }
                ("record" | "class", Some(described)) => {
                    let path = format!("{prefix}{name}");
                    match self.public.get(described.word(1)).filter(|known| **known != path).cloned() {
                        // Another name of a type that is there already.
                        Some(known) => {
                            self.defined.insert(name.to_owned());
                            self.line(&format!("{name} = {known}"));
                        }
                        None if one.what() == "record" => self.record(described, name, doc),
                        None => self.class(name, "", doc, |writer| writer.members(one)),
                    }
                }
                ("namespace", _) => {
                    let path = format!("{prefix}{name}.");
                    self.class(name, "", "", |writer| writer.exports(one, Receiver::Static, &path));
                }
                _ => {}
            }
        }
    }

    /// Writes a named tuple, or a class derived from a tuple if it cannot have
    /// the names of the fields.
    fn record(&mut self, record: &Node<'a>, name: &str, doc: &str) {
        let names = record.words(4);
        if !names.iter().all(|name| is_field_name(name)) {
            let base = self.tuple_of(record, Direction::Result);
            return self.class(name, &format!("({base})"), doc, |writer| writer.line("..."));
        }
        let base = self.outside("NamedTuple");
        let first_default = names.len().saturating_sub(count(record.word(3)));
        self.class(name, &format!("({base})"), doc, |writer| {
            for (index, name) in names.iter().enumerate() {
                let annotation = writer.annotation(record.children.get(index), Direction::Result);
                let default = if index >= first_default { " = ..." } else { "" };
                writer.attribute(name, &format!("{annotation}{default}"));
            }
        });
    }

    fn members(&mut self, class: &Node<'a>) {
        let has = |what: &str| class.children.iter().any(|member| member.what() == what);
        for member in &class.children {
            let (what, name) = (member.what(), member.word(1));
            match what {
                "field" | "property" if is_name(name) => {
                    let annotation = self.annotation(member.children.first(), Direction::Result);
                    if what == "field" {
                        self.attribute(name, &annotation);
                    } else {
                        let property = self.outside("property");
                        self.line(&format!("@{property}"));
                        self.definition(name, "self", &annotation, "");
                    }
                }
                "constructor" => {
                    let parameters = self.parameters(member, Receiver::Instance);
                    self.definition("__init__", &parameters, "None", "");
                }
                "method" if is_name(name) => self.function(member, name, Receiver::Instance),
                "static" if is_name(name) => self.function(member, name, Receiver::Static),
                "__init__" | "__deinit__" => {}
                "__eq__" | "__contains__" => {
                    let (value, result) = (self.outside("object"), self.outside("bool"));
                    self.definition(what, &format!("self, value: {value}, /"), &result, "");
                }
                "__next__" => {
                    if !has("__iter__") {
                        let own = self.outside("Self");
                        self.definition("__iter__", "self", &own, "");
                    }
                    // Without a value it has come to its end.
                    let result = member.children.first();
                    let value = result
                        .filter(|result| result.what() == "optional")
                        .map_or(result, |optional| optional.children.first());
                    let annotation = self.annotation(value, Direction::Result);
                    self.definition(what, "self", &annotation, "");
                }
                _ if what.starts_with("__") => {
                    self.function(member, what, Receiver::Special);
                    let is_indexed = member.children.get(1).and_then(|key| key.children.first());
                    let is_indexed = is_indexed.is_some_and(|key| key.what() == "int") && has("__len__");
                    if what == "__getitem__" && is_indexed && !has("__iter__") && !has("__next__") {
                        let element = self.annotation(member.children.first(), Direction::Result);
                        let iterator = self.outside("Iterator");
                        self.definition("__iter__", "self", &format!("{iterator}[{element}]"), "");
                    }
                }
                _ => {}
            }
        }
        if has("__deinit__") {
            let (own, arguments) = (self.outside("Self"), self.outside("object"));
            self.definition("__enter__", "self", &own, "");
            self.definition("__exit__", &format!("self, *arguments: {arguments}"), "None", "");
        }
    }

    fn function(&mut self, function: &Node<'a>, name: &str, receiver: Receiver) {
        let result = function.children.first();
        if let Some(result) = result {
            self.nameless_records(result);
        }
        let annotation = self.annotation(result, Direction::Result);
        if receiver == Receiver::Static {
            let decorator = self.outside("staticmethod");
            self.line(&format!("@{decorator}"));
        }
        let parameters = self.parameters(function, receiver);
        self.definition(name, &parameters, &annotation, function.word(2));
    }

    /// Writes the named tuples of a result that have no names of their own.
    fn nameless_records(&mut self, described: &Node<'a>) {
        let (type_name, name) = (described.word(1), described.word(2));
        let is_nameless = described.what() == "record" && type_name.contains(NAMELESS);
        let is_taken = self.public.values().any(|known| known == name);
        if is_nameless && is_name(name) && !is_taken && !self.public.contains_key(type_name) {
            self.public.insert(type_name, name.to_owned());
            self.record(described, name, "");
        }
        for part in &described.children {
            self.nameless_records(part);
        }
    }

    fn parameters(&mut self, function: &Node<'a>, receiver: Receiver) -> String {
        let mut list: Vec<String> = Vec::new();
        let parameters = function.children.get(1..).unwrap_or_default();
        if matches!(receiver, Receiver::Instance | Receiver::Special) {
            let is_taken = parameters.iter().any(|parameter| parameter.word(1) == "self");
            list.push(if is_taken { "_self" } else { "self" }.to_owned());
        }
        let first_keyword = parameters.iter().position(|parameter| parameter.what() == "keyword");
        for (index, parameter) in parameters.iter().enumerate() {
            if first_keyword == Some(index) {
                list.push("*".to_owned());
            }
            let annotation = self.annotation(parameter.children.first(), Direction::Parameter);
            let default = parameter.word(2);
            let default = if default.is_empty() { String::new() } else { format!(" = {default}") };
            list.push(format!("{}: {annotation}{default}", parameter.word(1)));
        }
        if receiver == Receiver::Special && !parameters.is_empty() {
            list.push("/".to_owned());
        }
        list.join(", ")
    }

    /// Writes a type as type checkers know it.
    fn annotation(&mut self, described: Option<&Node<'a>>, direction: Direction) -> String {
        let Some(node) = described else { return self.outside("Any") };
        let is_result = direction == Direction::Result;
        let part = node.children.first();
        match node.what() {
            "void" => "None".to_owned(),
            "bool" | "int" | "float" => self.number(node.what()),
            "text" | "text_mutable" | "literal" if is_result => self.outside("str"),
            "bytes" | "byte_array" if is_result => self.outside("bytes"),
            "numbers" | "view" if is_result => {
                self.has_array = true;
                ARRAY.to_owned()
            }
            "text_mutable" => self.outside("WriteableBuffer"),
            "numbers" | "view" if node.word(1) == "mutable" => self.outside("WriteableBuffer"),
            "text" => format!("{} | {}", self.outside("str"), self.outside("ReadableBuffer")),
            "numbers" => {
                let (buffer, sequence) = (self.outside("ReadableBuffer"), self.outside("Sequence"));
                format!("{buffer} | {sequence}[{}]", self.number(node.word(2)))
            }
            "bytes" | "byte_array" | "view" => self.outside("ReadableBuffer"),
            "array" if is_result => {
                let element = self.annotation(part, direction);
                match count(node.word(1)) {
                    listed @ 0..=LISTED_MAX => self.tuple(&vec![element; listed]),
                    _ => self.tuple(&[element, "...".to_owned()]),
                }
            }
            "list" | "array" => {
                let element = self.annotation(part, direction);
                format!("{}[{element}]", self.outside(if is_result { "list" } else { "Sequence" }))
            }
            "tuple" => self.tuple_of(node, direction),
            "record" if is_result => match self.public.get(node.word(1)) {
                Some(path) => path.clone(),
                None => self.tuple_of(node, direction),
            },
            "record" => {
                let fields = format!("{}[{}, {}]", self.outside("dict"), self.outside("str"), self.outside("Any"));
                format!("{} | {fields}", self.tuple_of(node, direction))
            }
            "class" | "class_pointer" => match self.public.get(node.word(1)) {
                Some(path) => path.clone(),
                None => self.outside("Any"),
            },
            "enumeration" => self.literal(node.words(1)),
            "variant" => {
                let pairs = node.words(1).iter().zip(&node.children);
                let pairs = pairs.map(|(name, value)| {
                    let pair = [self.literal(&[name]), self.annotation(Some(value), direction)];
                    self.tuple(&pair)
                });
                pairs.collect::<Vec<_>>().join(" | ")
            }
            "optional" => format!("{} | None", self.annotation(part, direction)),
            "callable" => format!("{}[..., {}]", self.outside("Callable"), self.outside("Any")),
            _ => self.outside("Any"),
        }
    }

    fn number(&mut self, kind: &str) -> String {
        let known = ["bool", "int", "float"].into_iter().find(|known| *known == kind);
        self.outside(known.unwrap_or("Any"))
    }

    /// Writes the type of one of several texts.
    fn literal(&mut self, texts: &[&str]) -> String {
        match texts.iter().map(|text| quoted(text)).collect::<Option<Vec<_>>>() {
            Some(texts) => format!("{}[{}]", self.outside("Literal"), texts.join(", ")),
            None => self.outside("str"),
        }
    }

    /// Writes the type of a tuple with what a type is made of.
    fn tuple_of(&mut self, described: &Node<'a>, direction: Direction) -> String {
        let elements: Vec<_> = described.children.iter().map(|part| self.annotation(Some(part), direction)).collect();
        self.tuple(&elements)
    }

    fn tuple(&mut self, elements: &[String]) -> String {
        let elements = if elements.is_empty() { "()".to_owned() } else { elements.join(", ") };
        format!("{}[{elements}]", self.outside("tuple"))
    }

    fn class(&mut self, name: &str, base: &str, doc: &str, body: impl FnOnce(&mut Self)) {
        self.defined.insert(name.to_owned());
        self.text.push('\n');
        self.line(&format!("class {name}{base}:"));
        self.indentation.push_str("    ");
        self.doc(doc);
        let start = self.text.len();
        body(self);
        if self.text.len() == start && doc.is_empty() {
            self.line("...");
        }
        self.indentation.truncate(self.indentation.len().saturating_sub(4));
    }

    fn definition(&mut self, name: &str, parameters: &str, result: &str, doc: &str) {
        self.defined.insert(name.to_owned());
        let body = if doc.is_empty() { " ..." } else { "" };
        self.line(&format!("def {name}({parameters}) -> {result}:{body}"));
        self.indentation.push_str("    ");
        self.doc(doc);
        self.indentation.truncate(self.indentation.len().saturating_sub(4));
    }

    fn attribute(&mut self, name: &str, annotation: &str) {
        self.defined.insert(name.to_owned());
        self.line(&format!("{name}: {annotation}"));
    }

    fn doc(&mut self, doc: &str) {
        self.text.push_str(&doc_string(doc, &self.indentation));
    }

    fn line(&mut self, line: &str) {
        self.text.extend([&self.indentation, line, "\n"]);
    }

    /// Returns how to write a name that comes from elsewhere: with that before it if
    /// the module has the name as well, as in `pub const int = struct { … }`.
    fn outside(&mut self, name: &'static str) -> String {
        let origin = IMPORTS.iter().find(|(_, names)| names.contains(&name)).map(|(module, _)| *module);
        if self.own.contains(name) {
            let module = origin.unwrap_or("builtins");
            self.qualified.insert(module);
            return format!("{}.{name}", alias(module));
        }
        if let Some(module) = origin {
            self.imported.entry(module).or_default().insert(name);
        }
        name.to_owned()
    }

    fn array(&mut self) -> String {
        if !self.has_array {
            return String::new();
        }
        let [any, int, iterator, view] = ["Any", "int", "Iterator", "memoryview"].map(|name| self.outside(name));
        format!(
            "
class {ARRAY}:
    def __buffer__(self, flags: {int}, /) -> {view}: ...
    def __len__(self) -> {int}: ...
    def __getitem__(self, index: {int}, /) -> {any}: ...
    def __iter__(self) -> {iterator}[{any}]: ...
"
        )
    }

    fn imports(&self) -> String {
        let whole = self.qualified.iter().map(|module| format!("import {module} as {}\n", alias(module)));
        let names = self.imported.iter().map(|(module, names)| {
            let names: Vec<&str> = names.iter().copied().collect();
            format!("from {module} import {}\n", names.join(", "))
        });
        whole.chain(names).collect()
    }
}

/// Notes where Python finds the types of a namespace. The first of several names
/// is that of the type.
fn find_types<'a>(namespace: &Node<'a>, prefix: &str, public: &mut BTreeMap<&'a str, String>) {
    for one in namespace.children.iter().filter(|one| is_name(one.word(1))) {
        let path = format!("{prefix}{}", one.word(1));
        match (one.what(), one.children.first()) {
            ("record" | "class", Some(described)) => _ = public.entry(described.word(1)).or_insert(path),
            ("namespace", _) => find_types(one, &format!("{path}."), public),
            _ => {}
        }
    }
}

/// Returns a doc string in lines of its own, or nothing.
fn doc_string(doc: &str, indentation: &str) -> String {
    if doc.is_empty() {
        return String::new();
    }
    let escaped = doc.replace('\\', "\\\\").replace('"', "\\\"");
    let lines = format!("\"\"\"{escaped}\"\"\"");
    lines
        .split('\n')
        .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{indentation}{line}\n") })
        .collect()
}

/// A name for a module that no Zig declaration is likely to have.
fn alias(module: &str) -> String {
    format!("_{}", module.trim_start_matches('_').replace('.', "_"))
}

/// Writes text as a Python literal, or returns `None` where that takes more than quotes.
fn quoted(text: &str) -> Option<String> {
    let is_plain = text.chars().all(|character| matches!(character, ' '..='~') && !matches!(character, '"' | '\\'));
    let mark = if text.contains('\'') { '"' } else { '\'' };
    is_plain.then(|| format!("{mark}{text}{mark}"))
}

/// True for names that Python can write and that mean something.
fn is_name(name: &str) -> bool {
    let is_word = name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    let begins = name.starts_with(|character: char| !character.is_ascii_digit());
    begins && is_word && name != "_" && !KEYWORDS.contains(&name)
}

/// False for names that a named tuple replaces, or has itself.
fn is_field_name(name: &str) -> bool {
    is_name(name) && !name.starts_with('_') && !matches!(name, "count" | "index")
}

/// Reads a number. What is none is larger than any.
fn count(word: &str) -> usize {
    word.parse().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the text after `ZigError` for a module; `(`, `|` and `)` stand for the
    /// bytes of the tree.
    fn body(exports: &str) -> String {
        let whole = stub(exports);
        let (_, body) = whole.split_once("    name: str\n").unwrap();
        body.to_owned()
    }

    fn stub(exports: &str) -> String {
        let tree = format!("(namespace|m|{exports})").replace('(', "\u{2}").replace('|', "\u{1}").replace(')', "\u{3}");
        text(&Node::parse(&tree).unwrap())
    }

    /// Returns a type as the parameter and as the result of a function.
    fn written(described: &str) -> (String, String) {
        let body = body(&format!("(function|f|{described}(parameter|x|{described}))"));
        let (parameter, result) = body.trim_end_matches(": ...\n").split_once(") -> ").unwrap();
        (parameter.strip_prefix("def f(x: ").unwrap().to_owned(), result.to_owned())
    }

    #[test]
    fn every_kind_of_type_has_an_annotation() {
        let pair = "tuple[int, float]";
        for (described, parameter, result) in [
            ("(int)", "int", "int"),
            ("(text)", "str | ReadableBuffer", "str"),
            ("(text_mutable)", "WriteableBuffer", "str"),
            ("(byte_array)", "ReadableBuffer", "bytes"),
            ("(numbers||float)", "ReadableBuffer | Sequence[float]", "_Array"),
            ("(numbers|mutable|bool)", "WriteableBuffer", "_Array"),
            ("(view|)", "ReadableBuffer", "_Array"),
            ("(view|mutable)", "WriteableBuffer", "_Array"),
            ("(list(bool))", "Sequence[bool]", "list[bool]"),
            ("(array|2(int))", "Sequence[int]", "tuple[int, int]"),
            ("(array|0(int))", "Sequence[int]", "tuple[()]"),
            ("(array|17(int))", "Sequence[int]", "tuple[int, ...]"),
            ("(array|-1(int))", "Sequence[int]", "tuple[int, ...]"),
            ("(tuple(int)(float))", pair, pair),
            ("(record|m.P|P|0|a|b(int)(float))", "tuple[int, float] | dict[str, Any]", pair),
            ("(class|m.C)", "Any", "Any"),
            ("(enumeration|a|it's)", "Literal['a', \"it's\"]", "Literal['a', \"it's\"]"),
            ("(enumeration|a|\"b\")", "str", "str"),
            ("(enumeration|a|b\nc)", "str", "str"),
            ("(optional(text))", "str | ReadableBuffer | None", "str | None"),
            ("(callable)", "Callable[..., Any]", "Callable[..., Any]"),
            ("(unheard-of)", "Any", "Any"),
        ] {
            assert_eq!(written(described), (parameter.to_owned(), result.to_owned()), "{described}");
        }
        let variant = written("(variant|a|b\\(void)(list(int)))");
        assert_eq!(variant.0, "tuple[Literal['a'], None] | tuple[str, Sequence[int]]");
        assert_eq!(variant.1, "tuple[Literal['a'], None] | tuple[str, list[int]]");
    }

    #[test]
    fn functions_have_parameters_and_doc_strings() {
        let parameters = "(parameter|a|(int))(keyword|b|1(int))(keyword|c|'x'(bool))";
        let text = body(&format!("(function|f|A \"b\".\n\nc\\(void){parameters})(function|g|(void))"));
        let expected = [
            "def f(a: int, *, b: int = 1, c: bool = 'x') -> None:",
            "    \"\"\"A \\\"b\\\".",
            "",
            "    c\\\\\"\"\"",
            "def g() -> None: ...",
            "",
        ];
        assert_eq!(text, expected.join("\n"));
    }

    #[test]
    fn a_result_without_a_name_has_one_in_the_stub() {
        let result = "(record|m.f__struct_12|f_result|1|a|b(int)(bool))";
        let named = "class f_result(NamedTuple):\n    a: int\n    b: bool = ...\n";
        assert_eq!(body(&format!("(function|f|{result})")), format!("\n{named}def f() -> f_result: ...\n"));
        let optional = format!("(function|f|(optional{result}))");
        assert_eq!(body(&optional), format!("\n{named}def f() -> f_result | None: ...\n"));
        let other = result.replace("struct_12", "struct_13");
        let both = format!("(function|f|(tuple{result}{other}{result}))");
        let tuple = "tuple[f_result, tuple[int, bool], f_result]";
        assert_eq!(body(&both), format!("\n{named}def f() -> {tuple}: ...\n"));
        let odd = result.replace("f_result", "a b_result");
        assert_eq!(body(&format!("(function|f|{odd})")), "def f() -> tuple[int, bool]: ...\n");
    }

    #[test]
    fn classes_have_members() {
        let members = [
            "(field|count(int))",
            "(field|class(int))",
            "(property|name(text))",
            "(constructor(class|m.C)(parameter|count|0(int)))",
            "(__init__|init|(class|m.C))",
            "(method|add|Adds.(void)(parameter|n|(int)))",
            "(method|with|(void))",
            "(static|zero|(class|m.C))",
            "(__eq__|eql|(bool)(parameter|arg0|(class|m.C)))",
            "(__getitem__|getItem|(int)(parameter|key|(int)))",
            "(__len__|len|(int))",
            "(__next__|next|(optional(int)))",
            "(__deinit__|deinit|(void))",
        ];
        let text = body(&format!("(class|C|A class.(class|m.C){})", members.concat()));
        let expected = [
            "",
            "class C:",
            "    \"\"\"A class.\"\"\"",
            "    count: int",
            "    @property",
            "    def name(self) -> str: ...",
            "    def __init__(self, count: int = 0) -> None: ...",
            "    def add(self, n: int) -> None:",
            "        \"\"\"Adds.\"\"\"",
            "    @staticmethod",
            "    def zero() -> C: ...",
            "    def __eq__(self, value: object, /) -> bool: ...",
            "    def __getitem__(self, key: int, /) -> int: ...",
            "    def __len__(self) -> int: ...",
            "    def __iter__(self) -> Self: ...",
            "    def __next__(self) -> int: ...",
            "    def __enter__(self) -> Self: ...",
            "    def __exit__(self, *arguments: object) -> None: ...",
            "",
        ];
        assert_eq!(text, expected.join("\n"));
        assert_eq!(body("(class|C|(class|m.C)(method|with|(void)))"), "\nclass C:\n    ...\n");
    }

    #[test]
    fn types_have_the_name_that_python_finds_them_by() {
        let point = "(record|m.P|P|0|x(int))";
        let text = body(&format!(
            "(function|f|{point}(parameter|c|(optional(class_pointer|m.C))))\
             (namespace|in|(record|Odd|{point}))\
             (namespace|inner|(record|P|A point.{point})(class|C|(class|m.C))(function|g|{point}))(record|Q|{point})"
        ));
        let expected = [
            "def f(c: inner.C | None) -> inner.P: ...",
            "",
            "class inner:",
            "",
            "    class P(NamedTuple):",
            "        \"\"\"A point.\"\"\"",
            "        x: int",
            "",
            "    class C:",
            "        ...",
            "    @staticmethod",
            "    def g() -> inner.P: ...",
            "Q = inner.P",
            "",
        ];
        assert_eq!(text, expected.join("\n"));
    }

    #[test]
    fn what_python_makes_of_a_class_is_told() {
        let items = "(__len__|len|(int))(__getitem__|getItem|(text)(parameter|key|(int)))";
        let text = body(&format!("(class|C|(class|m.C)(constructor|(void)(parameter|self|(int))){items})"));
        assert!(text.contains("    def __init__(_self, self: int) -> None: ...\n"), "{text}");
        assert!(text.contains("    def __iter__(self) -> Iterator[str]: ...\n"), "{text}");
        let by_name = items.replace("key|(int)", "key|(text)");
        assert!(!body(&format!("(class|C|(class|m.C){by_name})")).contains("__iter__"));
    }

    #[test]
    fn names_that_python_cannot_have_are_left_out() {
        let names = ["lambda", "a b", "2a", "_", "", "größe", "a\nb"];
        for name in names {
            assert_eq!(body(&format!("(constant|{name}|(int))(function|{name}|(void))")), "", "{name}");
        }
        assert_eq!(
            body("(record|R|A pair.(record|m.R|R|0|from|to(int)(int)))"),
            "\nclass R(tuple[int, int]):\n    \"\"\"A pair.\"\"\"\n    ...\n"
        );
        for name in ["count", "_a"] {
            let text = body(&format!("(record|R|(record|m.R|R|0|{name}(int)))"));
            assert_eq!(text, "\nclass R(tuple[int]):\n    ...\n");
        }
    }

    #[test]
    fn the_names_of_an_enumeration_are_a_tuple() {
        let text = body("(enumeration|E|(enumeration|a|b))");
        assert_eq!(text, "E: tuple[Literal['a'], Literal['b']]\n");
    }

    #[test]
    fn a_name_of_the_module_is_told_from_one_from_outside() {
        let text = stub(
            "(class|int|(class|m.int)(method|Any|(int)))\
             (function|f|(none)(parameter|x|(int))(parameter|y|(enumeration|é)))\
             (function|g|(numbers||int)(parameter|Any|(int)))(constant|ZigError|(int))",
        );
        assert!(text.starts_with("import builtins as _builtins\nimport typing as _typing\n"), "{text}");
        assert!(text.contains("from collections.abc import Iterator\n\nclass _Array:"), "{text}");
        assert!(text.contains("def f(x: _builtins.int, y: str) -> _typing.Any: ...\n"), "{text}");
        assert!(text.contains("    def Any(self) -> _builtins.int: ...\n"), "{text}");
        assert!(text.contains("def g(Any: _builtins.int) -> _Array: ...\nZigError: _builtins.int\n"), "{text}");
    }

    #[test]
    fn what_is_missing_or_unknown_spoils_nothing() {
        assert_eq!(body("(constant|a)(unknown|b)(record|c)(enumeration|d)"), "a: Any\n");
        assert_eq!(
            body("(function|f)(class|C(constructor)(method|g)(__next__)(unknown|x))"),
            [
                "def f() -> Any: ...",
                "",
                "class C:",
                "    def __init__(self) -> None: ...",
                "    def g(self) -> Any: ...",
                "    def __iter__(self) -> Self: ...",
                "    def __next__(self) -> Any: ...",
                "",
            ]
            .join("\n")
        );
    }
}
