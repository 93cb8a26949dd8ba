//! Where a sequence begins within another, found in a time that grows with their lengths alone
//! (Knuth, Morris and Pratt): of a file of a million equal lines each is compared with few others.

use std::ops::ControlFlow;

/// Whether two elements are equal, or why to look no further.
pub(crate) type Equal<'e, T, E> = dyn FnMut(&T, &T) -> Result<bool, E> + 'e;

/// Gives the index of each place in `within` at which `wanted` begins, in their order and also where
/// they overlap, until `found` has enough. It holds four bytes for each element of `wanted`.
///
/// # Errors
/// That of `equal`.
pub(crate) fn each<T, E>(
    wanted: &[T],
    within: &[T],
    equal: &mut Equal<'_, T, E>,
    found: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<(), E> {
    if wanted.len() > within.len() {
        return Ok(());
    }
    let borders = borders(wanted, equal)?;
    let mut matched = 0;
    if wanted.is_empty() && found(0).is_break() {
        return Ok(());
    }
    for (index, element) in within.iter().enumerate() {
        matched = go_on(wanted, &borders, matched, element, equal)?;
        let after = index.saturating_add(1);
        if matched == wanted.len() && found(after.saturating_sub(matched)).is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// With how many elements each beginning of `wanted` ends as it begins, the whole of it aside.
fn borders<T, E>(wanted: &[T], equal: &mut Equal<'_, T, E>) -> Result<Vec<u32>, E> {
    let mut borders = Vec::with_capacity(wanted.len());
    let mut matched = 0;
    for (index, element) in wanted.iter().enumerate() {
        if index > 0 {
            matched = go_on(wanted, &borders, matched, element, equal)?;
        }
        borders.push(u32::try_from(matched).unwrap_or_default());
    }
    Ok(borders)
}

/// How much of the beginning of `wanted` there is after one more element, after which there was
/// `matched`.
fn go_on<T, E>(
    wanted: &[T],
    borders: &[u32],
    mut matched: usize,
    element: &T,
    equal: &mut Equal<'_, T, E>,
) -> Result<usize, E> {
    loop {
        if let Some(next) = wanted.get(matched)
            && equal(next, element)?
        {
            return Ok(matched.saturating_add(1));
        }
        let Some(last) = matched.checked_sub(1) else { return Ok(0) };
        matched = borders.get(last).map_or(0, |border| *border as usize);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use proptest::prelude::*;

    fn all(wanted: &[u8], within: &[u8]) -> (Vec<usize>, usize) {
        let (mut found, mut compared) = (Vec::new(), 0);
        let mut equal = |one: &u8, other: &u8| {
            compared += 1;
            Ok::<bool, Infallible>(one == other)
        };
        each(wanted, within, &mut equal, &mut |at| {
            found.push(at);
            ControlFlow::Continue(())
        })
        .unwrap();
        (found, compared)
    }

    #[test]
    fn it_ends_with_enough_and_with_an_error() {
        let mut first = None;
        let mut equal = |one: &u8, other: &u8| Ok::<bool, Infallible>(one == other);
        each(b"aa", b"baaaa", &mut equal, &mut |at| {
            first.get_or_insert(at);
            ControlFlow::Break(())
        })
        .unwrap();
        assert_eq!(first, Some(1));
        let mut fails = |_: &u8, _: &u8| Err("enough");
        let mut ignored = |_| ControlFlow::Continue(());
        assert_eq!(each(b"a", b"b", &mut fails, &mut ignored), Err("enough"));
    }

    proptest! {
        #[test]
        fn each_place_is_found_and_few_elements_are_compared(
            wanted in proptest::collection::vec(0_u8..2, 0..6),
            within in proptest::collection::vec(0_u8..2, 0..60),
        ) {
            let plainly: Vec<usize> = (0..=within.len())
                .filter(|at| within.get(*at..at + wanted.len()) == Some(wanted.as_slice()))
                .collect();
            let (found, compared) = all(&wanted, &within);
            prop_assert_eq!(found, plainly);
            prop_assert!(compared <= 2 * (wanted.len() + within.len()));
        }
    }
}
