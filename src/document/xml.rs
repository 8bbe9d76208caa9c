//! A little writer of XML on top of `quick-xml`: elements in order, text made safe.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::base::{Error, ErrorKind, Result};

/// A document in the making, UTF-8, indented.
pub(super) struct Document(Writer<Vec<u8>>);

impl Document {
    pub(super) fn new() -> Result<Self> {
        let mut document = Self(Writer::new_with_indent(Vec::new(), b' ', 2));
        document.event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        Ok(document)
    }

    /// Begins an element.
    pub(super) fn open(&mut self, name: &str, attributes: &[(&str, &str)]) -> Result<()> {
        let mut start = BytesStart::new(name);
        for (key, value) in attributes {
            start.push_attribute((*key, safe(value).as_str()));
        }
        self.event(Event::Start(start))
    }

    /// Ends it.
    pub(super) fn close(&mut self, name: &str) -> Result<()> {
        self.event(Event::End(BytesEnd::new(name)))
    }

    /// An element with text.
    pub(super) fn leaf(&mut self, name: &str, text: &str) -> Result<()> {
        self.event(Event::Start(BytesStart::new(name)))?;
        self.text(text)?;
        self.close(name)
    }

    /// Text within the open element.
    pub(super) fn text(&mut self, text: &str) -> Result<()> {
        self.event(Event::Text(BytesText::new(&safe(text))))
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let mut bytes = self.0.into_inner();
        bytes.push(b'\n');
        bytes
    }

    fn event(&mut self, event: Event<'_>) -> Result<()> {
        self.0.write_event(event).map_err(|e| Error::new(ErrorKind::Internal, format!("XML: {e}")))
    }
}

/// Leaves out what XML 1.0 cannot hold (§2.2); the writer escapes the rest.
fn safe(text: &str) -> String {
    let fits = |c: &char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
    text.chars().filter(fits).collect()
}
