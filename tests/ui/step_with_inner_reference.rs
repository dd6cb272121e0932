use outlast::prelude::*;

#[step]
async fn charge(note: Option<&str>, lines: &[&str], at: std::borrow::Cow<'_, str>) -> Result<()> {
    drop((note, lines, at));
    Ok(())
}

fn main() {}
