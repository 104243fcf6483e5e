//! Compares values of two crates by what `Debug` prints of them: the names of the fields and what is in them. Equal bytes
//! alone would not show two fields of the same type that are swapped, or a wrong default.

use std::collections::BTreeMap;

/// What `Debug` printed.
#[derive(Debug, PartialEq)]
pub enum Tree {
    /// `None`.
    Null,
    /// A number, a bool or a string, as printed.
    Scalar(String),
    /// Ids and record bytes, which the two crates print differently; their bytes are compared elsewhere.
    Opaque,
    List(Vec<Tree>),
    Struct(BTreeMap<String, Tree>),
}

impl Tree {
    pub fn parse(text: &str) -> Self {
        let mut parser = Parser { rest: text };
        let tree = parser.value();
        assert!(parser.rest.is_empty(), "left over: {:?}", parser.rest);
        tree
    }

    /// Whether every field of this value is in `other` under the same name with the same content. `other` may have more
    /// fields: those of versions not spoken here. Null and the empty string are the same, because the crates differ on the
    /// default of nullable strings; where they are sent, their bytes are compared elsewhere.
    pub fn is_within(&self, other: &Tree) -> Result<(), String> {
        match (self, other) {
            (Tree::Opaque, _) | (_, Tree::Opaque) => Ok(()),
            (Tree::Null, Tree::Scalar(text)) | (Tree::Scalar(text), Tree::Null) if text == "\"\"" => Ok(()),
            (Tree::Struct(fields), Tree::Struct(others)) => fields.iter().try_for_each(|(name, field)| {
                let other = others.get(name).ok_or_else(|| format!("{name} is missing"))?;
                field.is_within(other).map_err(|reason| format!("{name}: {reason}"))
            }),
            (Tree::List(elements), Tree::List(others)) if elements.len() == others.len() => {
                elements.iter().zip(others).try_for_each(|(element, other)| element.is_within(other))
            }
            _ if self == other => Ok(()),
            _ => Err(format!("{self:?} here, {other:?} there")),
        }
    }
}

/// Reads the notation of derived `Debug`, without line breaks.
struct Parser<'t> {
    rest: &'t str,
}

impl Parser<'_> {
    fn value(&mut self) -> Tree {
        if self.rest.starts_with("b\"") {
            self.rest = &self.rest[1..];
            self.quoted();
            return Tree::Opaque;
        }
        match self.rest.as_bytes()[0] {
            b'"' => Tree::Scalar(self.quoted()),
            b'[' => Tree::List(self.until(']', Self::value)),
            b'{' => {
                assert!(self.until('}', Self::value).is_empty(), "no message has a map with entries");
                Tree::Opaque
            }
            _ => self.named(),
        }
    }

    fn named(&mut self) -> Tree {
        let name = self.word();
        match name.as_str() {
            "None" => Tree::Null,
            "Uuid" | "Bytes" => {
                self.until(')', |parser| drop(parser.opaque()));
                Tree::Opaque
            }
            // An id prints as 8-4-4-4-12 hexadecimal digits in the other crate.
            _ if name.len() == 36 && name.bytes().filter(|&byte| byte == b'-').count() == 4 => Tree::Opaque,
            _ if self.rest.starts_with('(') => self.until(')', Self::value).pop().expect("a wrapper holds one value"),
            _ if self.rest.starts_with(" {") => {
                self.rest = &self.rest[1..];
                let fields = self.until('}', |parser| {
                    let field = parser.word();
                    parser.expect(": ");
                    (field, parser.value())
                });
                Tree::Struct(fields.into_iter().collect())
            }
            _ => Tree::Scalar(name),
        }
    }

    /// What stands in brackets, split at the commas.
    fn until<T>(&mut self, close: char, mut element: impl FnMut(&mut Self) -> T) -> Vec<T> {
        self.rest = &self.rest[1..];
        let mut elements = Vec::new();
        loop {
            self.rest = self.rest.trim_start_matches([',', ' ']);
            if let Some(rest) = self.rest.strip_prefix(close) {
                self.rest = rest;
                return elements;
            }
            elements.push(element(self));
        }
    }

    /// The base64 of an id, or a list of byte values.
    fn opaque(&mut self) -> Tree {
        if self.rest.starts_with('[') { self.value() } else { Tree::Scalar(self.word()) }
    }

    /// A name, a number or an id.
    fn word(&mut self) -> String {
        let is_part = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
        let end = self.rest.find(|character| !is_part(character)).unwrap_or(self.rest.len());
        assert!(end > 0, "a word is expected at {:?}", self.rest);
        let word = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        word
    }

    /// A string with its quotes and escapes.
    fn quoted(&mut self) -> String {
        let mut escaped = false;
        let end = self.rest[1..].find(|character| {
            let ends = character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
            ends
        });
        let end = end.expect("a string ends") + 2;
        let text = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        text
    }

    fn expect(&mut self, text: &str) {
        self.rest = self.rest.strip_prefix(text).unwrap_or_else(|| panic!("{text:?} is expected at {:?}", self.rest));
    }
}

#[test]
fn a_swapped_field_and_a_missing_one_are_seen() {
    let tree = Tree::parse(r#"A { id: B(3), name: Some("x, \"}"), rest: [1, -2], unknown: {} }"#);
    assert_eq!(tree.is_within(&tree), Ok(()));
    let other = Tree::parse(r#"A { id: 3, name: "x, \"}", rest: [-2, 1] }"#);
    assert!(tree.is_within(&other).unwrap_err().starts_with("rest: "));
    assert_eq!(Tree::parse("A { id: 3, gone: 1 }").is_within(&other), Err("gone is missing".to_owned()));
}
