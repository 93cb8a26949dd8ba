//! Conditions that rows must meet, for formats that know of whole groups of rows what lies in them.
use std::cmp::Ordering;

use super::value::Value;

/// How a value is compared with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// A condition on a wanted column. No null meets it, numbers compare as numbers, and texts by their
/// bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The column's place among the wanted ones.
    pub column: usize,
    /// How its value is compared.
    pub compare: Compare,
    /// What it is compared with. Only a number or a text says anything.
    pub to: Value<'static>,
}

impl Condition {
    /// Whether a value between `least` and `most`, both included, may meet it; also where that is
    /// not known.
    pub(crate) fn may_lie(&self, least: &Value<'_>, most: &Value<'_>) -> bool {
        let (Some(least), Some(most)) = (order(least, &self.to), order(most, &self.to)) else {
            return true;
        };
        match self.compare {
            Compare::Equal => least.is_le() && most.is_ge(),
            Compare::Less => least.is_lt(),
            Compare::AtMost => least.is_le(),
            Compare::Greater => most.is_gt(),
            Compare::AtLeast => most.is_ge(),
        }
    }
}

/// How two numbers or two texts compare; none of others, and of what is not a number.
fn order(one: &Value<'_>, other: &Value<'_>) -> Option<Ordering> {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => Some(one.cmp(other)),
        (Value::Real(one), Value::Real(other)) => one.partial_cmp(other),
        (Value::Integer(whole), Value::Real(real)) => against_real(*whole, *real),
        (Value::Real(real), Value::Integer(whole)) => {
            against_real(*whole, *real).map(Ordering::reverse)
        }
        (Value::Text(one), Value::Text(other)) => Some(one.as_bytes().cmp(other.as_bytes())),
        _ => None,
    }
}

/// A whole number beside a real one, without rounding.
fn against_real(whole: i64, real: f64) -> Option<Ordering> {
    /// 2^63, the first number beyond.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if real.is_nan() {
        return None;
    }
    if real >= BEYOND {
        return Some(Ordering::Less);
    }
    if real < -BEYOND {
        return Some(Ordering::Greater);
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the bounds")]
    let floor = real.floor() as i64;
    let behind = if real.fract() == 0.0 { Ordering::Equal } else { Ordering::Less };
    Some(whole.cmp(&floor).then(behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_without_rounding() {
        for (whole, real, expected) in [
            (1, 1.0, Ordering::Equal),
            (1, 1.5, Ordering::Less),
            (2, 1.5, Ordering::Greater),
            (-1, -1.5, Ordering::Greater),
            (-2, -1.5, Ordering::Less),
            (i64::MAX, 9.3e18, Ordering::Less),
            (i64::MAX, 9_223_372_036_854_775_808.0, Ordering::Less),
            (i64::MIN, -9_223_372_036_854_775_808.0, Ordering::Equal),
            (9_007_199_254_740_993, 9_007_199_254_740_992.0, Ordering::Greater),
            (0, f64::NEG_INFINITY, Ordering::Greater),
        ] {
            assert_eq!(against_real(whole, real), Some(expected), "{whole} {real}");
        }
        assert_eq!(against_real(0, f64::NAN), None);
    }

    #[test]
    fn a_range_is_left_out_only_where_nothing_in_it_can_meet_the_condition() {
        let all = -3..=3_i64;
        let compares =
            [Compare::Equal, Compare::Less, Compare::AtMost, Compare::Greater, Compare::AtLeast];
        for compare in compares {
            for (least, most, to) in all.clone().flat_map(|least| {
                let all = all.clone();
                (least..=3).flat_map(move |most| all.clone().map(move |to| (least, most, to)))
            }) {
                let condition = Condition { column: 0, compare, to: Value::Integer(to) };
                let may = condition.may_lie(&Value::Integer(least), &Value::Integer(most));
                let does = (least..=most).any(|value| match compare {
                    Compare::Equal => value == to,
                    Compare::Less => value < to,
                    Compare::AtMost => value <= to,
                    Compare::Greater => value > to,
                    Compare::AtLeast => value >= to,
                });
                assert_eq!(may, does, "{least} {most} {condition:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_compared_leaves_nothing_out() {
        let text = Condition { column: 0, compare: Compare::Equal, to: Value::Text("5".into()) };
        assert!(text.may_lie(&Value::Integer(1), &Value::Integer(2)));
        let number = Condition { column: 0, compare: Compare::Less, to: Value::Integer(0) };
        assert!(number.may_lie(&Value::Real(f64::NAN), &Value::Real(1.0)));
    }
}
