//! Decimals as text, without floats.

/// Digits after the point that a decimal may have.
pub const DECIMALS_MAX: u32 = 6;
const WHOLE_DIGITS_MAX: usize = 12;
/// Millionths in one.
pub const MICRO: i64 = 1_000_000;

/// Reads `-?digits(.digits)`, at most 12 digits before and 6 after the point, in millionths.
#[must_use]
pub fn parse_micro(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let fits = (1..=WHOLE_DIGITS_MAX).contains(&whole.len())
        && (1..=DECIMALS_MAX as usize).contains(&fraction.len())
        && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if !fits {
        return None;
    }
    let whole = whole.parse::<i64>().ok()?.checked_mul(MICRO)?;
    let missing = DECIMALS_MAX.saturating_sub(u32::try_from(fraction.len()).ok()?);
    let fraction = fraction.parse::<i64>().ok()?.checked_mul(10_i64.checked_pow(missing)?)?;
    let value = whole.checked_add(fraction)?;
    Some(if negative { value.saturating_neg() } else { value })
}

/// Returns how many decimals a tick of so many millionths needs, from 0 to 6.
#[must_use]
pub const fn decimals_of(micro: i64) -> u32 {
    let mut decimals = DECIMALS_MAX;
    let mut unit = 10;
    while decimals > 0 && micro.rem_euclid(unit) == 0 {
        decimals = decimals.saturating_sub(1);
        unit = unit.saturating_mul(10);
    }
    decimals
}

/// Writes `value` units of ten to the minus `scale` with that many decimals, but without trailing
/// zeros past `keep` of them.
#[must_use]
pub fn format(value: i128, scale: u32, keep: u32) -> String {
    let unit = 10_i128.saturating_pow(scale);
    let sign = if value < 0 { "-" } else { "" };
    let value = value.saturating_abs();
    let whole = value.div_euclid(unit);
    if scale == 0 {
        return format!("{sign}{whole}");
    }
    let fraction = value.rem_euclid(unit);
    let mut text = format!("{sign}{whole}.{fraction:0width$}", width = scale as usize);
    let shortest = text.len().saturating_sub(scale.saturating_sub(keep) as usize);
    while text.len() > shortest && text.ends_with('0') {
        text.pop();
    }
    if text.ends_with('.') {
        text.pop();
    }
    text
}

/// Writes a price of so many ticks of `tick_micro` with as many decimals as the tick has.
#[must_use]
pub fn price(ticks: i64, tick_micro: i64) -> String {
    let micro = i128::from(ticks).saturating_mul(tick_micro.into());
    format(micro, DECIMALS_MAX, decimals_of(tick_micro))
}

/// Writes an amount of ten-thousandths with four decimals.
#[must_use]
pub fn money(minor: i64) -> String {
    format(minor.into(), 4, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_decimals_are_read_strictly() {
        assert_eq!(parse_micro("4.5825"), Some(4_582_500));
        assert_eq!(parse_micro("-0.000001"), Some(-1));
        assert_eq!(parse_micro("999999999999.999999"), Some(999_999_999_999_999_999));
        for text in
            ["", "-", ".5", "5.", "1e3", "+1", "1.0000000", "1000000000000", " 1", "1_0", "NaN"]
        {
            assert_eq!(parse_micro(text), None, "{text}");
        }
    }

    #[test]
    fn test_prices_have_the_decimals_of_their_tick() {
        assert_eq!(price(1_833, 2_500), "4.5825");
        assert_eq!(price(1_840, 2_500), "4.6000");
        assert_eq!(price(7, 1_000_000), "7");
        assert_eq!(price(-3, 50_000), "-0.15");
        assert_eq!(money(13_748), "1.3748");
        assert_eq!(format(4_583_333, 6, 4), "4.583333");
        assert_eq!(format(4_580_000, 6, 4), "4.5800");
    }
}
