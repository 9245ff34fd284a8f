//! The way in one line.

use super::hop::{Address, Hop};
use super::look::Way;
use super::verdict::{State, Verdict, judge};
use super::words::seen;

/// One line for all of it.
pub fn summary(way: &Way, address: Address) -> String {
    let verdicts = Hop::ALL.map(|hop| judge(hop, seen(hop, way), address));
    let count = |state| {
        let states = verdicts.iter().filter(|verdict| verdict.state == state);
        states.count()
    };
    let text = match (way, count(State::Unknown)) {
        (Way::Looking, 4) => "looking …".to_owned(),
        (_, 4) => "cannot be seen just now".to_owned(),
        _ => amiss(count).unwrap_or_else(|| well(&verdicts, count)),
    };
    format!("In transit: {text}")
}

const NUMBERS: [&str; 5] = ["no", "one", "two", "three", "four"];

/// The hops that are not as they should be, worst first.
fn amiss(count: impl Fn(State) -> usize) -> Option<String> {
    let unseen = "cannot be seen just now";
    let clauses = [
        (State::Plain, "is not protected", "are not protected"),
        (
            State::Simulated,
            "has simulated keys only",
            "have simulated keys only",
        ),
        (
            State::Classical,
            "is not post-quantum",
            "are not post-quantum",
        ),
        (State::Unknown, unseen, unseen),
    ];
    let found = clauses.into_iter().filter(|(state, ..)| count(*state) > 0);
    let told = found.enumerate().map(|(place, (state, one, many))| {
        let number = count(state);
        let (noun, verb) = match number {
            1 => (" hop", one),
            _ => (" hops", many),
        };
        let noun = if place == 0 { noun } else { "" };
        format!("{}{noun} {verb}", NUMBERS[number])
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join(", "))
}

fn well(verdicts: &[Verdict; 4], count: impl Fn(State) -> usize) -> String {
    let strength = match (count(State::PostQuantum), count(State::QuantumKeys)) {
        (0, 0) => return "all on this computer, nothing travels".to_owned(),
        (_, 0) => "post-quantum",
        (0, _) => "quantum keys",
        _ => "post-quantum or quantum keys",
    };
    let place = match count(State::Local) {
        0 => "on every hop",
        _ => "wherever something travels",
    };
    let open = verdicts
        .iter()
        .filter(|verdict| verdict.leaves_tokens_open());
    match open.count() {
        0 => format!("{strength} {place}"),
        open => {
            let number = NUMBERS[open];
            format!("contents {strength} {place}, access tokens not on {number}")
        }
    }
}

#[cfg(test)]
mod tests {
    use darkroom_api::protection::LinkMode::Qkd;
    use darkroom_api::protection::LinkSource::{Etsi014, Qkdsimkit};
    use darkroom_api::protection::Seen;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::super::look::Why;
    use super::super::trial::{
        AWAY, CLASSICAL, HERE, POST_QUANTUM, loopback, network, sealed, way,
    };
    use super::*;

    fn summary_of(seen: [Option<Seen>; 4], address: Address) -> String {
        let text = summary(&way(seen), address);
        text.strip_prefix("In transit: ").unwrap().to_owned()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn one_line_sums_up_the_worst_first() {
        let pq = || Some(network(POST_QUANTUM));
        let plain = || Some(network(None));
        let old = || Some(network(CLASSICAL));
        let here = || Some(loopback(None));
        let qkd = |seen| Some(sealed(seen, Etsi014, Qkd));
        let simulated = || Some(sealed(network(None), Qkdsimkit, Qkd));
        for (seen, address, text) in [
            ([pq(), pq(), pq(), pq()], AWAY, "post-quantum on every hop"),
            (
                [pq(), pq(), plain(), pq()],
                AWAY,
                "one hop is not protected",
            ),
            (
                [pq(), plain(), plain(), None],
                AWAY,
                "two hops are not protected, one cannot be seen just now",
            ),
            (
                [plain(), plain(), plain(), plain()],
                HERE,
                "four hops are not protected",
            ),
            (
                [pq(), simulated(), plain(), old()],
                AWAY,
                "one hop is not protected, one has simulated keys only, one is not post-quantum",
            ),
            (
                [old(), pq(), pq(), old()],
                AWAY,
                "two hops are not post-quantum",
            ),
            (
                [pq(), pq(), None, None],
                AWAY,
                "two hops cannot be seen just now",
            ),
            (
                [here(), here(), here(), here()],
                HERE,
                "all on this computer, nothing travels",
            ),
            (
                [pq(), here(), here(), here()],
                AWAY,
                "post-quantum wherever something travels",
            ),
            (
                [pq(), qkd(network(POST_QUANTUM)), pq(), pq()],
                AWAY,
                "post-quantum or quantum keys on every hop",
            ),
            (
                [here(), qkd(network(POST_QUANTUM)), here(), here()],
                HERE,
                "quantum keys wherever something travels",
            ),
            (
                [pq(), qkd(network(None)), pq(), qkd(network(CLASSICAL))],
                AWAY,
                "contents post-quantum or quantum keys on every hop, access tokens not on two",
            ),
            ([None, None, None, None], AWAY, "cannot be seen just now"),
        ] {
            assert_eq!(summary_of(seen, address), text);
        }
        assert_eq!(summary(&Way::Looking, HERE), "In transit: looking …");
        let unseen = summary(&Way::Unseen(Why::NoGateway), HERE);
        assert_eq!(unseen, "In transit: cannot be seen just now");
        let unseen = summary(&Way::Unseen(Why::Silence), Address::of("http:", "10.0.0.7"));
        assert_eq!(
            unseen,
            "In transit: one hop is not protected, three cannot be seen just now"
        );
    }
}
