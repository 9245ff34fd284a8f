//! Which parts the large key has, which of them are missing, and how long the rest will take.

use std::collections::HashMap;

use darkroom_api::header::{HEADER_BYTES, ParameterSetId};
use darkroom_api::ids::{KeyId, ObjectId};
use darkroom_api::storage::ObjectInfo;
use darkroom_fhe::wire::evaluation_key;

use crate::protocol::large_key::making_ms;
use crate::protocol::{Cause, LargeKey, LargeKeyProgress, LargeKeyState, Trouble};
use crate::worker::trouble;

/// The parts of one key's large key, as they are stored.
pub struct Plan {
    pub(super) key: KeyId,
    pub(super) parameters: ParameterSetId,
    /// By index.
    parts: Vec<Part>,
}

/// One part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub(super) id: ObjectId,
    /// Header included.
    pub(super) bytes: u64,
}

/// What storage has of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Indices of the parts that have to be made.
    pub(super) missing: Vec<u16>,
    /// Objects that are in the way of a part: of another key, parameter set or length.
    pub(super) wrong: Vec<ObjectId>,
    /// Bytes of them, headers included.
    pub(super) missing_bytes: u64,
}

impl Stored {
    /// How many parts have to be made.
    pub fn due(&self) -> u16 {
        u16::try_from(self.missing.len()).unwrap_or(u16::MAX)
    }
}

impl Plan {
    /// The parts for this parameter set.
    ///
    /// # Errors
    /// It needs no large key, or is not known here.
    pub fn new(key: KeyId, parameters: ParameterSetId) -> Result<Self, Trouble> {
        let core = |error| trouble::core(&error);
        let count = evaluation_key::parts(parameters.0).map_err(core)?;
        let part = |index| {
            let payload = evaluation_key::part_payload_bytes(parameters.0, index)?;
            Ok(Part {
                id: ObjectId(evaluation_key::part_id(&key.0, parameters.0, index)),
                bytes: payload + HEADER_BYTES as u64,
            })
        };
        let parts: Result<Vec<Part>, darkroom_fhe::Error> = (0..count).map(part).collect();
        Ok(Self {
            key,
            parameters,
            parts: parts.map_err(core)?,
        })
    }

    /// How many parts there are.
    pub fn count(&self) -> u16 {
        u16::try_from(self.parts.len()).unwrap_or(u16::MAX)
    }

    /// Bytes of all of them, headers included.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// The part of an index.
    pub fn part(&self, index: u16) -> Option<Part> {
        self.parts.get(usize::from(index)).copied()
    }

    /// Where the parts are, in the order of their index.
    pub fn ids(&self) -> Vec<ObjectId> {
        self.parts.iter().map(|part| part.id).collect()
    }

    /// What of it is in storage, by what storage lists.
    pub fn compare(&self, listed: &[ObjectInfo]) -> Stored {
        let listed: HashMap<ObjectId, &ObjectInfo> =
            listed.iter().map(|info| (info.id, info)).collect();
        let mut stored = Stored::default();
        for (index, part) in (0..).zip(&self.parts) {
            match listed.get(&part.id) {
                Some(info) if self.is(info, part) => {}
                found => {
                    stored.missing.push(index);
                    stored.missing_bytes += part.bytes;
                    stored.wrong.extend(found.map(|info| info.id));
                }
            }
        }
        stored
    }

    fn is(&self, info: &ObjectInfo, part: &Part) -> bool {
        (info.key, info.parameters, info.bytes) == (self.key, self.parameters, part.bytes)
    }

    /// The large key, standing there.
    pub fn standing(&self, state: LargeKeyState) -> LargeKey {
        LargeKey {
            parameters: self.parameters,
            parts: self.count(),
            bytes: self.bytes(),
            state,
        }
    }

    /// The large key, standing as storage has it.
    pub fn standing_as(&self, stored: &Stored) -> LargeKey {
        self.standing(match stored.due() {
            0 => LargeKeyState::Ready(None),
            due => LargeKeyState::Absent {
                stored: self.count() - due,
                missing_bytes: stored.missing_bytes,
            },
        })
    }
}

/// How far making and sending are.
#[derive(Debug, Clone, Copy)]
pub struct Tally {
    pub(super) cause: Cause,
    /// Parts to make in this try.
    pub(super) due: u16,
    /// Parts that were there before.
    pub(super) before: u16,
    /// Bytes that were there before, and of what was sent since.
    pub(super) stored_bytes: u64,
    pub(super) made: u16,
    pub(super) sent: u16,
    pub(super) makers: u16,
    /// What making was expected to take, in ms.
    pub(super) expected_ms: f64,
    /// When the first part was made, in ms since the start.
    pub(super) first_made_ms: Option<f64>,
}

impl Tally {
    /// The beginning of a try.
    pub fn new(plan: &Plan, stored: &Stored, makers: u16, cause: Cause) -> Self {
        Self {
            cause,
            due: stored.due(),
            before: plan.count() - stored.due(),
            stored_bytes: plan.bytes() - stored.missing_bytes,
            made: 0,
            sent: 0,
            makers,
            expected_ms: making_ms(stored.missing_bytes, makers),
            first_made_ms: None,
        }
    }

    /// How far it is, so many ms after the start.
    pub fn progress(&self, now_ms: f64) -> LargeKeyProgress {
        LargeKeyProgress {
            cause: self.cause,
            made: self.before + self.made,
            stored: self.before + self.sent,
            stored_bytes: self.stored_bytes,
            makers: self.makers,
            left_ms: self.left_ms(now_ms),
        }
    }

    /// Parts are made and sent side by side: what is left is the longer of the two.
    fn left_ms(&self, now_ms: f64) -> f64 {
        let rest = |done: u16, since_ms: f64| {
            let each_ms = since_ms / f64::from(done);
            each_ms * f64::from(self.due - done.min(self.due))
        };
        let making_ms = match self.made {
            0 => (self.expected_ms - now_ms).max(0.0),
            made => rest(made, now_ms),
        };
        let sending_ms = match (self.sent, self.first_made_ms) {
            (0, _) | (_, None) => 0.0,
            (sent, Some(first_ms)) => rest(sent, now_ms - first_ms),
        };
        making_ms.max(sending_ms)
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;
    use darkroom_api::header::ObjectKind;

    const KEY: KeyId = KeyId([7; 16]);
    const SET: ParameterSetId = ParameterSetId(2);

    fn plan() -> Plan {
        Plan::new(KEY, SET).unwrap()
    }

    fn listed(plan: &Plan, index: u16) -> ObjectInfo {
        let part = plan.part(index).unwrap();
        ObjectInfo {
            id: part.id,
            kind: ObjectKind::EvaluationKey,
            bytes: part.bytes,
            sha256: String::new(),
            parameters: SET,
            key: KEY,
            created_ms: 0,
            expires_ms: None,
            note: None,
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_there_is_not_made_again() {
        let plan = plan();
        let all: Vec<ObjectInfo> = (0..plan.count()).map(|i| listed(&plan, i)).collect();
        assert_eq!(plan.compare(&all), Stored::default());
        assert_eq!(
            plan.standing_as(&plan.compare(&all)).state,
            LargeKeyState::Ready(None)
        );
        let none = plan.compare(&[]);
        assert_eq!(none.due(), plan.count());
        assert_eq!(none.missing_bytes, plan.bytes());
        let half = plan.compare(&all[1..]);
        assert_eq!((half.missing, half.wrong), (vec![0], vec![]));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_in_the_way_is_found() {
        let plan = plan();
        let wrong = [
            |info: &mut ObjectInfo| info.key = KeyId([8; 16]),
            |info: &mut ObjectInfo| info.parameters = ParameterSetId(1),
            |info: &mut ObjectInfo| info.bytes -= 1,
        ];
        for spoil in wrong {
            let mut info = listed(&plan, 3);
            spoil(&mut info);
            let stored = plan.compare(&[info]);
            assert_eq!(stored.wrong, [plan.part(3).unwrap().id]);
            assert!(stored.missing.contains(&3));
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn parts_of_another_key_have_other_names() {
        let other = Plan::new(KeyId([8; 16]), SET).unwrap();
        assert!(plan().ids().iter().all(|id| !other.ids().contains(id)));
        assert!(Plan::new(KEY, ParameterSetId(1)).is_err());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_left_is_the_longer_of_making_and_sending() {
        let plan = plan();
        let mut tally = Tally::new(&plan, &plan.compare(&[]), 2, Cause::Missing);
        let due = tally.due;
        assert!(tally.progress(0.0).left_ms > 1000.0);
        assert!(tally.progress(1e9).left_ms.abs() < 1e-9);
        // Half is made after a second, and a quarter sent half a second after the first was made.
        (tally.made, tally.sent) = (due / 2, due / 4);
        tally.first_made_ms = Some(500.0);
        let left_ms = tally.progress(1000.0).left_ms;
        let sending_ms = 500.0 / f64::from(due / 4) * f64::from(due - due / 4);
        assert!((left_ms - sending_ms).abs() < 1e-6, "{left_ms}");
        (tally.made, tally.sent) = (due, due);
        assert!(tally.progress(2000.0).left_ms.abs() < 1e-9);
    }
}
