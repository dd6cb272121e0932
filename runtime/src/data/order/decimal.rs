//! `Decimal128` values as exact digits: their place among all numbers.

use std::cmp::Ordering;

use bson::Decimal128;

/// The bounds of what a key says in two bytes of the distance between a number and its nearest `f64`.
const FARTHEST: i32 = 0x7FFF;
/// Integers below this have their distance counted; `i128` holds them and the doubles near them.
const COUNTED: i64 = 36;
/// From here on a double is an integer.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Where a number stands: near which `f64`, how far above it, and what is left to tell it from its neighbours.
pub(super) struct Place {
    pub(super) double: f64,
    /// The distance to `double`, rounded down.
    pub(super) offset: i32,
    /// In bytes that sort; `None` if `double` and `offset` say it all.
    pub(super) digits: Option<Vec<u8>>,
}

/// The place of a decimal.
pub(super) fn place(number: Decimal128) -> Place {
    let text = number.to_string();
    let nearest: f64 = text.parse().unwrap_or(f64::NAN);
    let Some(decimal) = Decimal::read(&text) else { return Place { double: nearest, offset: 0, digits: None } };
    // A decimal beyond every double is finite all the same.
    let double = nearest.clamp(f64::MIN, f64::MAX);
    let distance = decimal.compare(&Decimal::exact(double));
    if distance == Ordering::Equal {
        return Place { double, offset: 0, digits: None };
    }
    let below = distance == Ordering::Less;
    let (offset, whole) = match decimal.floor() {
        Some((floor, whole)) if double.abs() >= WHOLE => (counted(floor, double), whole),
        // An integer of less than 16 digits is a double.
        Some(_) => (-i32::from(below), false),
        None => (if below { -FARTHEST } else { FARTHEST }, false),
    };
    let digits = if whole && offset.abs() < FARTHEST { None } else { Some(decimal.sortable()) };
    Place { double, offset, digits }
}

fn counted(floor: i128, double: f64) -> i32 {
    let distance = floor - double as i128;
    distance.clamp(-i128::from(FARTHEST), i128::from(FARTHEST)) as i32
}

/// The decimal as a 64-bit integer, its fraction cut off; `None` if that is too large or no number.
pub(crate) fn truncated(number: Decimal128) -> Option<i64> {
    let decimal = Decimal::read(&number.to_string())?;
    let (floor, whole) = decimal.floor()?;
    let toward_zero = if decimal.negative && !whole { floor + 1 } else { floor };
    i64::try_from(toward_zero).ok()
}

/// A finite decimal number, in its one form: no zeros at either end of its digits.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Reads `-12.50E+3`; `None` for what isn't finite.
    fn read(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['E', 'e']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent: i64 = exponent.parse().ok()?;
        let all = format!("{whole}{fraction}");
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let significant = all.trim_end_matches('0');
        let dropped = all.len() - significant.len();
        let digits = significant.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        Some(Self { negative, digits, exponent: exponent - fraction.len() as i64 + dropped as i64 })
    }

    /// All digits of a finite double.
    fn exact(double: f64) -> Self {
        let text = if double.abs() >= WHOLE { format!("{double:.0}") } else { format!("{double:.1074}") };
        Self::read(&text).unwrap_or(Self { negative: false, digits: String::new(), exponent: 0 })
    }

    /// Where the first digit stands: the number is below `10^size`.
    fn size(&self) -> i64 {
        self.digits.len() as i64 + self.exponent
    }

    /// The largest integer that isn't larger, and whether it is the number itself; `None` if it is beyond counting.
    fn floor(&self) -> Option<(i128, bool)> {
        if self.digits.is_empty() {
            return Some((0, true));
        }
        if self.size() > COUNTED {
            return None;
        }
        let whole = self.exponent >= 0;
        let magnitude: i128 = if whole {
            let digits: i128 = self.digits.parse().ok()?;
            digits.checked_mul(10_i128.checked_pow(u32::try_from(self.exponent).ok()?)?)?
        } else {
            let kept = usize::try_from(self.size()).unwrap_or(0);
            if kept == 0 { 0 } else { self.digits[..kept].parse().ok()? }
        };
        Some((if self.negative { -magnitude - i128::from(!whole) } else { magnitude }, whole))
    }

    fn compare(&self, other: &Self) -> Ordering {
        let magnitude = if self.digits.is_empty() || other.digits.is_empty() {
            self.digits.len().cmp(&other.digits.len())
        } else {
            self.size().cmp(&other.size()).then_with(|| self.digits.cmp(&other.digits))
        };
        let sign = |number: &Self| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        sign(self).cmp(&sign(other)).then(if self.negative { magnitude.reverse() } else { magnitude })
    }

    /// Bytes that sort as numbers of one sign do, and say where they end.
    fn sortable(&self) -> Vec<u8> {
        let size = (self.size() + 0x8000).clamp(0, 0xFFFF) as u16;
        let mut bytes = size.to_be_bytes().to_vec();
        bytes.extend(self.digits.as_bytes());
        bytes.push(0);
        if self.negative {
            for byte in &mut bytes {
                *byte = !*byte;
            }
        }
        bytes
    }
}
