//! Text for terminals: styled lines, cut, wrapped, and cleaned of what could steer the terminal.

/// How a piece of a line looks, where colours are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Dim,
    Bold,
    Good,
    Bad,
    Open,
}

impl Style {
    fn codes(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "\u{1b}[2m",
            Self::Bold => "\u{1b}[1m",
            Self::Good => "\u{1b}[32m",
            Self::Bad => "\u{1b}[31m",
            Self::Open => "\u{1b}[33m",
        }
    }
}

/// A line in pieces. What goes in is cleaned: recorded text can't move the cursor or ring the bell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line(Vec<(Style, String)>);

impl Line {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a piece.
    #[must_use]
    pub(crate) fn with(mut self, style: Style, text: impl AsRef<str>) -> Self {
        self.0.push((style, clean(text.as_ref())));
        self
    }

    /// Adds a piece in a column of at least this width.
    #[must_use]
    pub(crate) fn column(self, style: Style, text: impl AsRef<str>, width: usize) -> Self {
        let text = clean(text.as_ref());
        let fill = width.saturating_sub(length(&text));
        self.with(style, text).with(Style::Plain, " ".repeat(fill))
    }

    /// How many characters it has.
    pub(crate) fn length(&self) -> usize {
        self.0.iter().map(|(_, text)| length(text)).sum()
    }

    /// As it is written: with colours or without, and without blanks at its end.
    pub(crate) fn written(&self, colour: bool) -> String {
        let mut pieces: Vec<(Style, &str)> = self.0.iter().map(|(style, text)| (*style, text.as_str())).collect();
        while let Some((_, last)) = pieces.last_mut() {
            *last = last.trim_end();
            if !last.is_empty() {
                break;
            }
            pieces.pop();
        }
        let mut written = String::new();
        for (style, text) in pieces {
            let codes = if text.is_empty() { "" } else { style.codes() };
            if colour && !codes.is_empty() {
                written.extend([codes, text, "\u{1b}[0m"]);
            } else {
                written.push_str(text);
            }
        }
        written
    }
}

/// How many characters a text has.
pub(crate) fn length(text: &str) -> usize {
    text.chars().count()
}

/// Text without characters that steer a terminal or turn its direction: those are shown by their number.
pub(crate) fn clean(text: &str) -> String {
    let steers = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(steers) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len()), |mut clean, c| {
        match c {
            '\n' => clean.push_str("\\n"),
            '\t' => clean.push(' '),
            c if steers(c) => clean.extend(c.escape_unicode()),
            c => clean.push(c),
        }
        clean
    })
}

/// At most `width` characters, the last one `…` if something was cut. `None`: whole.
pub(crate) fn cut(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else { return text.to_owned() };
    if text.char_indices().nth(width).is_none() {
        return text.to_owned();
    }
    let end = text.char_indices().nth(width.saturating_sub(1)).map_or(text.len(), |(end, _)| end);
    format!("{}…", &text[..end])
}

/// Lines of at most `width` characters, broken between words, and inside those that are longer.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    text.lines().flat_map(|line| wrapped_line(&clean(line), width.max(1))).collect()
}

fn wrapped_line(line: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in line.split_whitespace() {
        let mut word = word;
        if !current.is_empty() && length(&current) + 1 + length(word) > width {
            lines.push(std::mem::take(&mut current));
        }
        while let Some((end, _)) = word.char_indices().nth(width) {
            lines.push(word[..end].to_owned());
            word = &word[end..];
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    if !current.is_empty() || lines.is_empty() {
        lines.push(current);
    }
    lines
}

/// JSON in one line, text of outlast's own (`•••`) without quotes.
pub(crate) fn json(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(hidden) if hidden == "•••" => hidden.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_text_cant_steer_the_terminal() {
        let line = Line::new().with(Style::Plain, "a\u{1b}[2J\u{9b}x\u{202e}b\nc");
        assert_eq!(line.written(true), "a\\u{1b}[2J\\u{9b}x\\u{202e}b\\nc");
    }

    #[test]
    fn a_cut_shows() {
        assert_eq!(cut("äöüß", Some(4)), "äöüß");
        assert_eq!(cut("äöüßx", Some(4)), "äöü…");
        assert_eq!(cut("äöüßx", None), "äöüßx");
        assert_eq!(cut("abc", Some(0)), "…");
    }

    #[test]
    fn text_wraps_between_words_and_inside_long_ones() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrapped("a bcdefgh", 4), ["a", "bcde", "fgh"]);
        assert_eq!(wrapped("one\ntwo", 80), ["one", "two"]);
        assert_eq!(wrapped("abcd efgh", 4), ["abcd", "efgh"]);
    }

    #[test]
    fn lines_are_coloured_only_where_asked_and_have_no_blanks_at_the_end() {
        let line = Line::new().column(Style::Good, "ok", 6).column(Style::Plain, "", 4);
        assert_eq!(line.written(false), "ok");
        assert_eq!(line.written(true), "\u{1b}[32mok\u{1b}[0m");
        assert_eq!(line.length(), 10);
    }
}
